"""`allow`: unmodified Python clients work where it contains them, and are refused where not."""

from clients import HOST
from lab import ANY_PORTS


def test_a_python_client_in_an_allowed_network_works(lab, ours, clients):
    registry = lab.start(ours, "--allow=127.0.0.0/30", ports=ANY_PORTS)
    for client in (clients.synchronous(registry), clients.asynchronous(registry)):
        service_id = client.register(name="psu", host=HOST, port=6110, service_type="PSU")

        assert client.discover_service("PSU")["id"] == service_id
        assert client.deregister()


def test_a_python_client_elsewhere_is_refused(lab, ours, clients):
    registry = lab.start(ours, "--allow=127.0.0.2", ports=ANY_PORTS)
    client = clients.synchronous(registry)
    client.timeout_ms = 500

    assert client.register(name="psu", host=HOST, port=6110, service_type="PSU") is None

    registry.stop()
    assert "from 127.0.0.1" in registry.log()
