"""The commands of our binary, given to the Python registry."""

import json

import pytest

from clients import HOST, Events
from lab import PYTHON_REGISTRY
from waiting import wait_until


def listed(registry):
    """What is said of a registry whose events have no numbers."""
    return (
        f"service-registry: the registry at tcp://localhost:{registry.ports.requests} does not "
        "number its events; its list is taken every 1 s, and what comes and goes in between is not "
        "seen"
    )


def told(program):
    """The lines of a program but those that are complaints."""
    return [line for line in program.lines() if not line.startswith("service-registry: ")]


@pytest.fixture
def registry(lab):
    return lab.start(PYTHON_REGISTRY)


@pytest.fixture
def run(programs, registry):
    """Runs a command to its end."""
    return lambda *arguments: programs.command(registry, *arguments)


@pytest.fixture
def start(programs, registry):
    """Lets a command run beside the test."""
    return lambda *arguments: programs.start_command(registry, *arguments)


@pytest.fixture
def json_of(programs, registry):
    """What a command says in JSON."""
    return lambda *arguments: programs.json_of(registry, *arguments)


@pytest.fixture
def customer(clients, registry):
    return clients.synchronous(registry)


def test_status_shows_ports_policy_and_services(run, registry, customer):
    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1")

    result = run("status")

    assert result.returncode == 0
    shown = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[:4])
    assert shown == {
        "registry": f"ok at tcp://localhost:{registry.ports.requests}",
        "requests": f"port {registry.ports.requests}",
        "events": f"port {registry.ports.events}",
        "heartbeats": f"port {registry.ports.heartbeats}",
    }
    assert "camera-1" in result.stdout


def test_health_tells_that_the_registry_is_well(run, registry, json_of):
    result = run("health")

    assert result.returncode == 0
    endpoint = f"tcp://localhost:{registry.ports.requests}"
    assert result.stdout == f"the registry at {endpoint} is well\n"
    assert json_of("health")["status"] == "ok"


def test_a_service_is_registered_found_in_every_way_and_deregistered(run, json_of, customer):
    registered = json_of(
        "register",
        *("--name", "Old PLC", "--type", "PLC", "--host", "192.168.7.30", "--port", "502"),
        *("--ttl", "86400", "--metadata", "rack=4", "--tag", "hall-2"),
    )
    stored = customer.get_service(registered["service_id"])

    assert stored["id"].startswith("old-plc-")
    assert (stored["name"], stored["host"], stored["port"]) == ("Old PLC", "192.168.7.30", 502)
    assert stored["metadata"] == {"rack": 4, "type": "PLC"}
    assert stored["ttl"] == 86400
    assert json_of("get", stored["id"])["service"] == stored
    assert json_of("discover", "PLC")["service"] == stored
    assert json_of("discover", "hall-2")["service"] == stored
    assert json_of("list-services")["services"] == [stored]
    assert json_of("list-services", "--service-type", "camera")["services"] == []
    assert stored["id"] in run("list-services").stdout

    assert run("deregister", stored["id"]).returncode == 0
    assert customer.list_services() == []


def test_all_services_of_a_type_are_deregistered(run, customer):
    customer.register("Camera", HOST, 7001, "camera", service_id="camera-1")
    customer.register(
        "Camera", HOST, 7002, "camera", service_id="camera-2", allow_duplicate_service_type=True
    )
    customer.register("Laser", HOST, 7003, "laser", service_id="laser-1")

    assert run("deregister", "--service-type", "camera").returncode == 0

    assert [service["id"] for service in customer.list_services()] == ["laser-1"]


def test_what_is_not_there_is_told_in_words_and_by_the_exit_code(run):
    discovered = run("discover", "laser")
    got = run("get", "no-such-id")
    deregistered = run("deregister", "no-such-id")

    assert [discovered.returncode, got.returncode, deregistered.returncode] == [1, 1, 1]
    assert discovered.stderr == "service-registry: No healthy service of type laser found\n"
    assert got.stderr == "service-registry: Service not found\n"


def test_a_type_that_is_taken_is_refused_with_who_has_it(run, customer):
    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1")

    result = run("register", "--name", "Camera 2", "--type", "camera", "--port", "7003")

    assert result.returncode == 1
    assert "duplicate_service_type" in result.stderr
    assert "'camera-1'" in result.stderr


def test_a_registry_that_is_gone_is_not_reachable(run, registry):
    registry.kill()

    result = run("list-services", "--timeout", "0.2")

    assert result.returncode == 3
    assert f"no answer from tcp://localhost:{registry.ports.requests}" in result.stderr


def test_stop_ends_the_python_registry(run, registry):
    assert run("stop").returncode == 0

    assert registry.wait_for_exit() == 0


def test_wait_ends_as_soon_as_the_service_is_there(run, start, customer):
    waiting = start("wait", "camera", "--timeout", "60")
    # Long enough for the registry to answer that there is none.
    assert run("wait", "camera", "--timeout", "3").returncode == 1
    assert not waiting.has_ended()

    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1")

    assert waiting.wait_for_exit() == 0
    assert told(waiting) == [f"camera-1 is there, at tcp://{HOST}:7002"]


def test_run_keeps_a_command_registered_beyond_its_time_to_live(start, customer):
    psu = start("run", *"--name PSU --type psu --port 7001 --id psu-1 --ttl 6 -- cat".split())
    registered = wait_until(lambda: customer.get_service("psu-1"), "the service to register")

    wait_until(
        lambda: customer.get_service("psu-1")["last_heartbeat"] > registered["last_heartbeat"] + 7,
        "heartbeats beyond the time to live",
    )

    assert psu.close_input() == 0
    assert customer.list_services() == []


def test_run_ends_with_the_exit_code_of_its_command(run, customer):
    command = ["sh", "-c", "exit 7"]

    result = run("run", *"--name PSU --type psu --port 7001 --id psu-1 --".split(), *command)

    assert result.returncode == 7
    assert customer.get_service("psu-1") is None


def test_run_passes_signals_on_and_deregisters(start, customer):
    psu = start("run", *"--name PSU --type psu --port 7001 --id psu-1 -- cat".split())
    wait_until(lambda: customer.get_service("psu-1"), "the service to register")

    exit_code = psu.terminate()

    assert exit_code == 128 + 15
    assert customer.list_services() == []


def test_watch_says_that_it_takes_lists_and_tells_what_they_show(start, registry, customer):
    customer.register("Laser", HOST, 7001, "laser", service_id="laser-1")
    watch = start("watch")
    cameras = start("watch", "--service-type", "camera")
    watch.wait_for_line("registered    laser-1")
    cameras.wait_for_line(listed(registry))

    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1", ttl=600)
    # Both have taken a list with it: each takes its own, once a second.
    watch.wait_for_line("registered    camera-1")
    cameras.wait_for_line("registered    camera-1")
    customer.register("Camera", HOST, 7003, "camera", service_id="camera-1", ttl=600)
    watch.wait_for_line("changed       camera-1")
    customer.deregister("laser-1")
    watch.wait_for_line("missing       laser-1")

    assert watch.lines().count(listed(registry)) == 1
    assert told(watch) == [
        f"registered    laser-1  laser  Laser  {HOST}:7001  passing",
        f"registered    camera-1  camera  Camera  {HOST}:7002  passing",
        f"changed       camera-1  camera  Camera  {HOST}:7003  passing",
        f"missing       laser-1  laser  Laser  {HOST}:7001  passing",
    ]
    cameras.wait_for_line("changed       camera-1")
    assert told(cameras) == told(watch)[1:3]


def test_watch_tells_changes_in_json(start, registry, customer):
    watch = start("watch", "--json")
    watch.wait_for_line(listed(registry))

    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1", ttl=600)
    stored = customer.get_service("camera-1")

    watch.wait_for_line("{")
    [line] = told(watch)
    assert json.loads(line) == {"change": "registered", "service": stored}


def test_watch_goes_on_when_the_python_registry_is_restarted(lab, start, registry, clients):
    customer = clients.synchronous(registry)
    customer.register("Laser", HOST, 7001, "laser", service_id="laser-1", ttl=600)
    watch = start("watch")
    watch.wait_for_line("registered    laser-1")

    registry.kill()
    watch.wait_for_line("service-registry: the registry does not answer; waiting for it")
    restarted = lab.start(PYTHON_REGISTRY, ports=registry.ports)
    watch.wait_for_line("service-registry: the registry answers again")
    clients.synchronous(restarted).register("Camera", HOST, 7002, "camera", service_id="camera-1")
    watch.wait_for_line("registered    camera-1")

    assert told(watch) == [
        f"registered    laser-1  laser  Laser  {HOST}:7001  passing",
        f"registered    camera-1  camera  Camera  {HOST}:7002  passing",
    ]


def test_what_the_commands_do_reaches_subscribers_of_the_python_registry(run, customer):
    events = Events(customer)

    run("register", *"--name PSU --type psu --port 7001 --id psu-1".split())
    run("deregister", "psu-1")

    events.wait_for("deregister", "psu-1")
    assert events.types_of("psu-1") == ["register", "deregister"]
