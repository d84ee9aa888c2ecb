"""What an operator looks at, `top` and `doctor`, with the Python registry."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading

import pytest

from clients import HOST
from lab import PYTHON_REGISTRY
from waiting import DEADLINE, wait_until

SIZE = struct.pack("HHHH", 24, 80, 0, 0)
"""Lines and columns of a terminal."""


@pytest.fixture
def registry(lab):
    return lab.start(PYTHON_REGISTRY)


@pytest.fixture
def customer(clients, registry):
    return clients.synchronous(registry)


@pytest.fixture
def screen(request, registry):
    """`top` in a terminal of its own."""
    binary = request.config.getoption("--binary")
    screen = Screen([binary, "top", f"--req-port={registry.ports.requests}"])
    yield screen
    screen.close()


class Screen:
    """A program in a terminal: what it wrote there can be looked at, and keys pressed."""

    def __init__(self, arguments):
        self._keyboard, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, SIZE)
        environment = {**os.environ, "TERM": "xterm"}
        self._process = subprocess.Popen(
            arguments, stdin=terminal, stdout=terminal, env=environment, start_new_session=True
        )
        os.close(terminal)
        self._written = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, text):
        """Waits for a text without spaces: what is blank already is not written again."""
        wait_until(lambda: text.encode() in self._written, f"{text!r} on the screen")

    def press(self, keys):
        os.write(self._keyboard, keys.encode())

    def wait_for_exit(self):
        return self._process.wait(DEADLINE)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._keyboard)

    def _read(self):
        try:
            while written := os.read(self._keyboard, 4096):
                self._written += written
        except OSError:
            pass  # Nobody has the terminal any more.


def test_top_takes_lists_and_deregisters(screen, customer):
    screen.wait_for("lists:")
    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1", ttl=600)

    screen.wait_for("camera-1")
    screen.press("d")
    screen.wait_for("camera-1?")
    screen.press("y")
    wait_until(lambda: customer.get_service("camera-1") is None, "the service to be gone")

    screen.press("q")
    assert screen.wait_for_exit() == 0


def test_doctor_knows_the_python_registry(programs, registry, customer):
    customer.register("Camera", HOST, 7002, "camera", service_id="camera-1", ttl=600)

    reply = programs.json_of(registry, "doctor")

    findings = {finding["check"]: finding for finding in reply["findings"]}
    assert reply["problems"] == 0, findings
    assert findings["version"]["found"].startswith("the Python registry")
    for check in ("process", "request port", "event port", "heartbeat port", "protocol", "clock"):
        assert findings[check]["verdict"] == "ok", findings[check]
    assert findings["critical services"]["found"] == "none of 1 services"
