"""Events as the clients receive them."""

from clients import HOST, Events


def test_a_registration_is_announced(registry, connect, clients):
    events = Events(connect(registry))
    service = clients.synchronous(registry)

    service_id = service.register("Camera", HOST, 7002, "camera", {"pixels": 4096})

    data = events.wait_for("register", service_id)
    assert data["service_info"] == {
        "id": service_id,
        "name": "Camera",
        "host": HOST,
        "port": 7002,
        "type": "camera",
        "metadata": {"pixels": 4096},
        "tags": ["camera"],
    }


def test_a_deregistration_is_announced_with_the_service_that_was_stored(registry, connect, clients):
    events = Events(connect(registry))
    service = clients.synchronous(registry)
    service_id = service.register("Camera", HOST, 7002, "camera")
    stored = service.get_service(service_id)

    service.deregister()

    data = events.wait_for("deregister", service_id)
    assert data["service_info"] == stored


def test_an_expiry_is_announced_with_the_service_that_was_stored(registry, connect, clients):
    events = Events(connect(registry))
    service = clients.synchronous(registry)

    service_id = service.register("Camera", HOST, 7002, "camera", ttl=1)

    data = events.wait_for("expire", service_id)
    assert data["service_info"]["id"] == service_id
    assert data["service_info"]["host"] == HOST


def test_the_events_of_a_service_come_in_the_order_of_its_life(registry, connect, clients):
    events = Events(connect(registry))
    service = clients.synchronous(registry)

    service_id = service.register("Camera", HOST, 7002, "camera")
    service.reregister()
    service.deregister()

    events.wait_for("deregister", service_id)
    assert events.types_of(service_id) == ["register", "register", "deregister"]
