"""Who may register with a type that another service already has."""

import pytest

from clients import HOST
from waiting import wait_until


def test_a_type_belongs_to_one_service_until_it_leaves(registry, connect):
    first, second = connect(registry), connect(registry)
    first_id = first.register("Camera 1", HOST, 7001, "camera")

    assert second.register("Camera 2", HOST, 7002, "camera") is None
    assert [service["id"] for service in second.list_services("camera")] == [first_id]

    first.deregister()

    assert second.register("Camera 2", HOST, 7002, "camera") is not None


def test_a_service_that_is_gone_silently_does_not_block_its_type(lab, ours, connect):
    registry = lab.start(ours, cleanup_interval=60)
    first, second = connect(registry), connect(registry)
    first.register("Camera 1", HOST, 7001, "camera", ttl=1)

    second_id = wait_until(
        lambda: second.register("Camera 2", HOST, 7002, "camera"), "the type to be free"
    )

    assert second.discover_service("camera")["id"] == second_id


def test_a_service_may_register_again_under_its_own_type(registry, connect):
    service = connect(registry)
    service_id = service.register("Camera", HOST, 7001, "camera")

    assert service.reregister() == service_id
    assert len(service.list_services()) == 1


def test_an_allowed_duplicate_shares_the_type(registry, connect):
    first, second = connect(registry), connect(registry)
    first_id = first.register("Camera 1", HOST, 7001, "camera")

    second_id = second.register(
        "Camera 2", HOST, 7002, "camera", allow_duplicate_service_type=True
    )

    both = [first_id, second_id]
    assert [service["id"] for service in first.list_services("camera")] == both
    assert first.discover_service("camera")["id"] in both


@pytest.mark.parametrize(
    "option", ["--allow-duplicate-service-types", "--no-enforce-unique-service-types"]
)
def test_a_registry_may_allow_duplicates_to_all_but_singletons(lab, ours, connect, option):
    registry = lab.start(ours, option)
    first, second, third = connect(registry), connect(registry), connect(registry)
    first_id = first.register("Camera 1", HOST, 7001, "camera")

    second_id = second.register("Camera 2", HOST, 7002, "camera")

    assert third.register("Camera 3", HOST, 7003, "camera", singleton=True) is None
    assert [service["id"] for service in third.list_services()] == [first_id, second_id]
    assert third.server_status()["enforce_unique_service_types"] is False
