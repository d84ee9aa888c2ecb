"""A restart of the registry under the heartbeats of a whole lab."""

import pytest

from clients import HOST
from heartbeats import expect_steady_heartbeats

TTL = 10
"""Seconds: longer than a registry takes to start, also the Python one on a busy machine. A service that
expires meanwhile registers again, and so loses its place."""


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_twenty_services_live_through_a_restart(lab, ours, clients, end, caplog):
    registry = lab.start(ours)
    connects = [clients.synchronous, clients.asynchronous] * 10
    ids = [start_service(connect(registry), number) for number, connect in enumerate(connects)]

    getattr(registry, end)()
    registry = lab.start(ours, ports=registry.ports)

    customer = clients.synchronous(registry)
    expect_steady_heartbeats(customer, TTL, caplog)
    assert [service["id"] for service in customer.list_services()] == ids


def start_service(client, number):
    service_id = client.register(f"Sensor {number}", HOST, 7000, f"sensor-{number}", ttl=TTL)
    client.start_heartbeat(interval=1)
    return service_id
