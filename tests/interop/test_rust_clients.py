"""Clients in Rust with the Python registry, which numbers no events and returns no request ids."""

import json
import time

import pytest

from clients import HOST
from lab import PYTHON_REGISTRY
from waiting import wait_until

CLIENTS = 50

TTL = 6
"""Seconds. A heartbeat comes three times as often."""

LONG_TTL = 24
"""Seconds: several times what the Python registry takes to start on a busy machine."""


@pytest.fixture
def registry(lab):
    return lab.start(PYTHON_REGISTRY)


@pytest.fixture
def start_clients(programs, registry):
    """Starts a story of the clients in `rust_clients`."""
    return lambda *story: programs.start_example("interop_clients", registry, *story)


@pytest.mark.parametrize("executor", ["futures", "tokio"])
def test_a_service_lives_its_whole_life_with_the_asynchronous_client(
    registry, start_clients, executor
):
    client = start_clients("life", executor)

    assert client.wait_for_exit() == 0, client.lines()
    assert registry.wait_for_exit() == 0


class Subscriber:
    """A subscriber in Rust, and the events that reached it."""

    def __init__(self, program):
        self._program = program
        program.wait_for_line("subscribed")

    def wait_for(self, **wanted):
        """Waits for an event that says this and returns it."""

        def find():
            events = (event for event in self.events() if wanted.items() <= event.items())
            return next(events, None)

        return wait_until(find, f"an event with {wanted}")

    def events(self):
        return [json.loads(line) for line in self._program.lines() if line != "subscribed"]


def test_events_of_the_python_registry_are_understood(start_clients, registry, clients):
    subscriber = Subscriber(start_clients("events"))
    customer = clients.synchronous(registry)

    customer.register("Camera", HOST, 7002, "camera", {"rack": 4}, service_id="camera-1")
    customer.deregister("camera-1")
    customer.register("Laser", HOST, 7003, "laser", service_id="laser-1", ttl=1)
    subscriber.wait_for(event="expire")

    registered, deregistered, _, expired = subscriber.events()
    service_info = registered.pop("service_info")
    assert registered == told("register", "camera-1")
    assert (service_info["name"], service_info["metadata"]["rack"]) == ("Camera", 4)
    assert deregistered == told("deregister", "camera-1", f"tcp://{HOST}:7002")
    assert expired == told("expire", "laser-1")


def told(event, service_id, address=None):
    """An event of a registry that gives no numbers, and the service for a deregistration only."""
    return {"event": event, "service_id": service_id, "address": address, "has_number": False}


def test_a_subscriber_hears_what_it_asked_for_only(start_clients, registry, clients):
    subscriber = Subscriber(start_clients("events", "register", "expire"))
    customer = clients.synchronous(registry)

    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1")
    customer.deregister("camera-1")
    customer.register("Laser", HOST, 7003, "laser", service_id="laser-1", ttl=1)
    subscriber.wait_for(event="expire")

    assert [event["event"] for event in subscriber.events()] == ["register", "register", "expire"]


def test_a_subscriber_is_told_that_it_may_have_missed_something(
    lab, start_clients, registry, clients
):
    subscriber = Subscriber(start_clients("events"))

    registry.kill()
    registry = lab.start(PYTHON_REGISTRY, ports=registry.ports)

    subscriber.wait_for(missed="Disconnected")
    clients.synchronous(registry).register("Camera", HOST, 7002, "camera", service_id="camera-1")
    subscriber.wait_for(event="register", service_id="camera-1")


@pytest.fixture
def fleet(request, start_clients):
    """Many clients with healthy heartbeats."""
    fleet = start_clients("fleet", CLIENTS, getattr(request, "param", TTL))
    wait_for_all(fleet, "healthy")
    return fleet


def wait_for_all(fleet, state):
    """Waits until every client of the fleet was in this state."""
    wait_until(lambda: ever(fleet, state) == CLIENTS, f"{CLIENTS} clients to be {state}")


def ever(fleet, state):
    """How many clients of the fleet were ever in this state."""
    return len({line for line in fleet.lines() if line.endswith(f" {state}")})


def wait_until_all_are_back(customer, restarted_at):
    """Waits until each service of the fleet was heard since the registry was restarted."""
    expected = {f"sensor-{number}" for number in range(CLIENTS)}

    def all_are_back():
        services = customer.list_services()
        heard = {service["id"] for service in services if service["last_heartbeat"] > restarted_at}
        return heard == expected

    wait_until(all_are_back, "all services to be back")
    assert {service["health"] for service in customer.list_services()} == {"passing"}


@pytest.mark.parametrize("fleet", [LONG_TTL], indirect=True)
def test_fifty_clients_go_on_after_a_short_outage(lab, registry, fleet, clients):
    before = clients.synchronous(registry).list_services()

    registry.kill()
    restarted_at = int(time.time())
    registry = lab.start(PYTHON_REGISTRY, ports=registry.ports)

    customer = clients.synchronous(registry)
    wait_until_all_are_back(customer, restarted_at)
    assert ever(fleet, "registered again") == 0
    assert without_heartbeats(customer.list_services()) == without_heartbeats(before)


@pytest.mark.parametrize("database", ["service_registry.db", "empty.db"])
def test_fifty_clients_are_back_after_an_outage_beyond_their_time_to_live(
    lab, registry, fleet, clients, database
):
    before = clients.synchronous(registry).list_services()

    registry.kill()
    killed_at = time.time()
    wait_for_all(fleet, "unreachable")
    # The Python registry counts in whole seconds.
    wait_until(lambda: time.time() > killed_at + TTL + 1, "all services to expire")
    restarted_at = int(time.time())
    registry = lab.start(PYTHON_REGISTRY, ports=registry.ports, database=database)

    customer = clients.synchronous(registry)
    wait_until_all_are_back(customer, restarted_at)
    assert without_heartbeats(customer.list_services()) == without_heartbeats(before)
    assert ever(fleet, "registered again") > 0


def without_heartbeats(services):
    """Services by their ids, without what every heartbeat changes."""
    return {service["id"]: service | {"last_heartbeat": None} for service in services}


def test_clients_are_dropped_at_once_while_the_registry_is_gone(registry, fleet):
    registry.kill()
    wait_for_all(fleet, "late")

    assert fleet.close_input() == 0

    # None of them waited for an answer, which may take each of them 15 s.
    milliseconds = int(fleet.wait_for_line("dropped within ").removesuffix(" ms"))
    assert milliseconds < 15_000, f"{CLIENTS} clients took {milliseconds} ms"
