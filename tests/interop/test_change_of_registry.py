"""A lab changes its registry, on the same ports and the same database, while services go on."""

import pytest

from clients import HOST
from heartbeats import expect_steady_heartbeats
from lab import PYTHON_REGISTRY

TTL = 10
"""Seconds: longer than a registry takes to start, also the Python one on a busy machine. A service that
expires meanwhile registers again, and so loses its place."""


@pytest.fixture(params=["stop", "kill"])
def end(request):
    """How a registry ends: cleanly or on the spot."""
    return lambda registry: getattr(registry, request.param)()


@pytest.fixture(params=["to ours", "to Python's"])
def old_and_new(ours, request):
    kinds = [PYTHON_REGISTRY, ours]
    return kinds if request.param == "to ours" else kinds[::-1]


def test_running_services_do_not_notice(lab, old_and_new, end, clients, caplog):
    old, new = old_and_new
    registry = lab.start(old)
    ids = [
        start_service(clients.synchronous(registry), "stage"),
        start_service(clients.asynchronous(registry), "camera"),
        start_service(clients.synchronous(registry), "laser"),
        start_service(clients.asynchronous(registry), "shutter"),
    ]

    end(registry)
    registry = lab.start(new, ports=registry.ports)

    customer = clients.synchronous(registry)
    assert [service["id"] for service in customer.list_services()] == ids
    expect_steady_heartbeats(customer, TTL, caplog)
    assert [service["id"] for service in customer.list_services()] == ids
    assert customer.discover_service("shutter")["id"] == ids[-1]


def start_service(client, kind):
    service_id = client.register(kind, HOST, 7000, kind, ttl=TTL)
    client.start_heartbeat(interval=1)
    return service_id


def test_there_and_back_again_every_service_is_as_it_was(lab, ours, end, connect):
    registry = lab.start(PYTHON_REGISTRY)
    client = connect(registry)
    metadata = {"zeta": 1, "alpha": [1.5, None, True, {"deep": "µ"}], "big": 2**60, "empty": ""}
    client.register("Stage", HOST, 7001, "stage", metadata, ttl=600)
    client.register("Probe without a type", HOST, 7002, ttl=601)
    client.register("Camera", HOST, 7003, "camera", ttl=602)
    written = client.list_services()

    for kind in [ours, PYTHON_REGISTRY, ours]:
        end(registry)
        registry = lab.start(kind, ports=registry.ports)

        services = connect(registry).list_services()
        assert services == written
        assert list(services[0]["metadata"]) == list(written[0]["metadata"])


def test_each_registers_and_removes_beside_what_the_other_wrote(lab, old_and_new, end, connect):
    old, new = old_and_new
    registry = lab.start(old)
    client = connect(registry)
    stage_id = client.register("Stage", HOST, 7001, "stage", ttl=600)
    camera_id = client.register("Camera", HOST, 7002, "camera", ttl=600)

    end(registry)
    registry = lab.start(new, ports=registry.ports)
    client = connect(registry)
    client.deregister(stage_id)
    laser_id = client.register("Laser", HOST, 7003, "laser", ttl=600)

    end(registry)
    registry = lab.start(old, ports=registry.ports)
    client = connect(registry)
    assert [service["id"] for service in client.list_services()] == [camera_id, laser_id]
    assert client.discover_service("laser")["port"] == 7003


def test_a_type_stays_taken(lab, old_and_new, end, connect):
    old, new = old_and_new
    registry = lab.start(old)
    connect(registry).register("Camera 1", HOST, 7001, "camera", ttl=600)

    end(registry)
    registry = lab.start(new, ports=registry.ports)

    assert connect(registry).register("Camera 2", HOST, 7002, "camera") is None
