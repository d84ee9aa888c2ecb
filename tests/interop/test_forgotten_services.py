"""A registry that forgot a service: the next heartbeat of its client brings it back."""

from clients import HOST, Events
from waiting import wait_until


def test_a_service_comes_back_under_its_id_when_the_registry_lost_its_database(
    lab, ours, connect, clients
):
    registry = lab.start(ours)
    service = connect(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", {"pixels": 4096}, ttl=30)
    service.start_heartbeat(interval=1)

    registry.stop()
    registry = lab.start(ours, ports=registry.ports, database="empty.db")

    customer = clients.synchronous(registry)
    wait_until(lambda: customer.get_service(service_id), "the service to register again")
    found = customer.discover_service("camera")
    assert found["id"] == service_id
    assert found["metadata"] == {"pixels": 4096, "type": "camera"}
    assert found["ttl"] == 30


def test_a_service_comes_back_when_somebody_else_deregistered_it(registry, connect, clients):
    events = Events(clients.asynchronous(registry))
    service = connect(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", ttl=30)
    service.start_heartbeat(interval=1)
    events.wait_for("register", service_id)

    assert clients.synchronous(registry).deregister(service_id) is True

    wait_until(
        lambda: events.types_of(service_id) == ["register", "deregister", "register"],
        "the service to register again",
    )


def test_a_service_comes_back_after_it_was_silent_for_too_long(registry, connect, clients):
    events = Events(clients.asynchronous(registry))
    service = connect(registry)
    service_id = service.register("Camera", HOST, 7002, "camera", ttl=1)
    events.wait_for("expire", service_id)

    service.start_heartbeat(interval=1)

    wait_until(
        lambda: events.types_of(service_id)[:3] == ["register", "expire", "register"],
        "the service to register again",
    )


def test_a_permitted_duplicate_may_come_back(registry, connect, clients):
    """The client does not repeat the permission when it registers again."""
    events = Events(clients.asynchronous(registry))
    clients.synchronous(registry).register("Camera 1", HOST, 7001, "camera")
    second = connect(registry)
    second_id = second.register(
        "Camera 2", HOST, 7002, "camera", ttl=1, allow_duplicate_service_type=True
    )
    events.wait_for("expire", second_id)

    second.start_heartbeat(interval=1)

    wait_until(
        lambda: events.types_of(second_id)[:3] == ["register", "expire", "register"],
        "the second camera to register again",
    )
