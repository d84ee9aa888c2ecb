"""The commands of the Python registry, given to ours."""

import subprocess

from clients import HOST
from lab import PYTHON_REGISTRY
from waiting import DEADLINE


def python_command(command, ports):
    return subprocess.run(
        [
            *PYTHON_REGISTRY.command,
            command,
            f"--req-port={ports.requests}",
            f"--pub-port={ports.events}",
            f"--hb-port={ports.heartbeats}",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def lines(output):
    return [line.strip() for line in output.splitlines()]


def test_status_shows_ports_policy_and_services(registry, connect):
    connect(registry).register("Power Supply", HOST, 7001, "power-supply")
    connect(registry).register("Camera", HOST, 7002, "camera")

    result = python_command("status", registry.ports)

    assert result.returncode == 0
    assert lines(result.stdout) == [
        "Registry Service:",
        "Status: ok",
        f"Requests port: {registry.ports.requests}",
        f"Notifications port: {registry.ports.events}",
        f"Heartbeat port: {registry.ports.heartbeats}",
        "Unique service types: True",
        "Registrations: (Power Supply, passing), (Camera, passing)",
    ]


def test_stop_ends_the_registry_cleanly(registry):
    result = python_command("stop", registry.ports)

    assert result.returncode == 0
    assert "Service registry server terminated." in result.stderr
    assert registry.wait_for_exit() == 0
    status = python_command("status", registry.ports)
    assert lines(status.stdout) == ["Registry Service: not active"]


def test_a_client_terminates_the_registry_and_what_it_knew_is_kept(lab, ours, connect):
    registry = lab.start(ours)
    client = connect(registry)
    service_id = client.register("Camera", HOST, 7002, "camera")

    assert client.terminate_registry_server() is True

    assert registry.wait_for_exit() == 0
    registry = lab.start(ours, ports=registry.ports)
    assert connect(registry).discover_service("camera")["id"] == service_id
