"""The examples of our client library, with either registry and the Python clients."""

import pytest

from lab import ANY_PORTS, PYTHON_REGISTRY
from waiting import wait_until


@pytest.fixture
def start_example(programs):
    return programs.start_example


@pytest.fixture(params=["ours", "python"])
def either_registry(lab, ours, request):
    """The test runs once with each registry."""
    if request.param == "ours":
        return lab.start(ours, ports=ANY_PORTS)
    return lab.start(PYTHON_REGISTRY)


def test_a_device_is_found_talked_to_watched_and_gone(either_registry, start_example, clients):
    customer = clients.synchronous(either_registry)
    watch = start_example("watch", either_registry)
    service = start_example("device_service", either_registry)
    endpoint = service.wait_for_line("power-supply-").split(" listens on ")[1]

    assert customer.get_endpoint("POWER_SUPPLY") == endpoint
    client = start_example("device_client", either_registry)
    assert client.wait_for_exit() == 0
    assert client.lines() == [
        f"Power supply is at {endpoint}",
        "it can do up to 30.0 V",
        "VOLTS 12.5: OK",
        "VOLTS?: 12.5",
    ]

    assert watch.wait_for_line("+ Power supply ").endswith(f" at {endpoint}")
    assert service.interrupt() == 0
    assert customer.list_services() == []
    watch.wait_for_line("- Power supply ")


def test_a_device_stays_registered_by_its_heartbeats(either_registry, start_example, clients):
    customer = clients.synchronous(either_registry)
    service = start_example("device_service", either_registry)
    service.wait_for_line("power-supply-")
    registered_at = customer.discover_service("POWER_SUPPLY")["last_heartbeat"]

    wait_until(
        lambda: customer.discover_service("POWER_SUPPLY")["last_heartbeat"] > registered_at + 3,
        "a heartbeat after the first",
    )


@pytest.mark.parametrize("kind_name", ["ours", "python"])
def test_a_device_comes_back_under_its_id_when_the_registry_lost_its_database(
    lab, ours, kind_name, start_example, clients
):
    kind = {"ours": ours, "python": PYTHON_REGISTRY}[kind_name]
    registry = lab.start(kind)
    start_example("device_service", registry).wait_for_line("power-supply-")
    before = clients.synchronous(registry).discover_service("POWER_SUPPLY")

    registry.kill()
    registry = lab.start(kind, ports=registry.ports, database="empty.db")

    customer = clients.synchronous(registry)
    after = wait_until(lambda: customer.get_service(before["id"]), "the device to register again")
    assert {**after, "last_heartbeat": 0} == {**before, "last_heartbeat": 0}


def test_a_device_outlives_the_change_from_one_registry_to_the_other(
    lab, ours, start_example, clients
):
    registry = lab.start(PYTHON_REGISTRY)
    start_example("device_service", registry).wait_for_line("power-supply-")
    service_id = clients.synchronous(registry).discover_service("POWER_SUPPLY")["id"]

    for kind in [ours, PYTHON_REGISTRY]:
        registry.kill()
        registry = lab.start(kind, ports=registry.ports, database=f"{kind.name}.db")

        customer = clients.synchronous(registry)
        wait_until(
            lambda: customer.get_service(service_id), f"the device to register with {kind.name}"
        )
