"""What the documentation of the Python clients promises, from registration to deregistration."""

from clients import HOST
from waiting import wait_until


def test_a_service_registers_and_is_found_in_every_way(registry, connect):
    service = connect(registry)
    metadata = {"rack": 4, "limits": {"volt": 30.5}, "label": "Netzgerät µA", "spare": None}

    service_id = service.register("Power Supply", HOST, 7001, "power-supply", metadata, ttl=20)

    customer = connect(registry)
    found = customer.discover_service("power-supply")
    assert service_id.startswith("power-supply-")
    assert found == {
        "id": service_id,
        "name": "Power Supply",
        "host": HOST,
        "port": 7001,
        "metadata": metadata | {"type": "power-supply"},
        "ttl": 20,
        "last_heartbeat": found["last_heartbeat"],
        "tags": ["power-supply"],
        "health": "passing",
    }
    assert customer.get_service(service_id) == found
    assert customer.list_services() == [found]
    assert customer.list_services("power-supply") == [found]
    assert customer.get_endpoint("power-supply") == f"tcp://{HOST}:7001"


def test_what_is_not_there_is_not_found(registry, connect):
    customer = connect(registry)

    assert customer.discover_service("laser") is None
    assert customer.get_service("no-such-id") is None
    assert customer.get_endpoint("laser") is None
    assert customer.list_services() == []
    assert customer.deregister("no-such-id") is False


def test_the_registry_tells_its_health_and_status(registry, connect):
    client = connect(registry)
    service_id = client.register("Camera", HOST, 7002, "camera")

    status = client.server_status()

    assert client.health_check() is True
    assert status["success"] is True
    assert status["status"] == "ok"
    assert (status["req_port"], status["pub_port"], status["hb_port"]) == registry.ports
    assert status["enforce_unique_service_types"] is True
    assert [service["id"] for service in status["services"]] == [service_id]


def test_heartbeats_keep_a_service_alive(registry, connect, clients):
    service = connect(registry)
    customer = clients.synchronous(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", ttl=5)
    registered_at = customer.get_service(service_id)["last_heartbeat"]

    service.start_heartbeat(interval=1)

    wait_until(
        lambda: customer.get_service(service_id)["last_heartbeat"] > registered_at + 6,
        "heartbeats beyond the time to live",
    )
    assert customer.discover_service("camera")["id"] == service_id


def test_without_an_interval_the_client_chooses_one(registry, connect, clients):
    service = connect(registry)
    customer = clients.synchronous(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", ttl=9)
    registered_at = customer.get_service(service_id)["last_heartbeat"]

    service.start_heartbeat()

    wait_until(
        lambda: customer.get_service(service_id)["last_heartbeat"] > registered_at, "a heartbeat"
    )


def test_a_service_that_deregisters_is_gone(registry, connect, clients):
    service = connect(registry)
    customer = clients.synchronous(registry)
    service_id = service.register("Camera", HOST, 7002, "camera")
    registered_at = customer.get_service(service_id)["last_heartbeat"]
    service.start_heartbeat(interval=1)
    wait_until(
        lambda: customer.get_service(service_id)["last_heartbeat"] > registered_at, "a heartbeat"
    )

    service.stop_heartbeat()

    assert service.deregister() is True
    assert customer.get_service(service_id) is None
    assert customer.discover_service("camera") is None
    assert customer.list_services() == []


def test_a_service_that_stays_silent_is_removed(registry, connect):
    service = connect(registry)
    customer = connect(registry)
    service.register("Camera", HOST, 7002, "camera", ttl=1)

    wait_until(lambda: customer.list_services() == [], "the removal of the silent service")

    assert customer.discover_service("camera") is None


def test_a_silent_service_is_critical_and_not_discovered_until_it_is_removed(lab, ours, connect):
    registry = lab.start(ours, cleanup_interval=60)
    service = connect(registry)
    customer = connect(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", ttl=1)

    wait_until(
        lambda: customer.get_service(service_id)["health"] == "critical", "the service to be missed"
    )

    assert customer.discover_service("camera") is None
    assert [entry["id"] for entry in customer.list_services("camera")] == [service_id]
