"""A laboratory host: a directory, a database, and the registries that are started there.

Our registry and the Python one take the same options, so one `start` serves both.
"""

import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from waiting import DEADLINE, wait_until

START_ATTEMPTS = 5
"""How often other ports are tried when somebody else took the chosen ones first."""

CHOSEN_PORTS = range(15_000, 32_000)
"""Below the range from which systems pick ports for outgoing connections. A port from that range
may be taken while a restarting registry is away, even by a client that connects to itself."""


class Ports(NamedTuple):
    requests: int
    events: int
    heartbeats: int


ANY_PORTS = Ports(0, 0, 0)
"""The operating system picks. Only our registry reports which ones."""


class Kind(NamedTuple):
    """Which registry to start."""

    name: str
    command: tuple[str, ...]
    ready_line: re.Pattern
    """What it writes when it serves; the groups, if any, are the ports it serves on."""


PYTHON_REGISTRY = Kind(
    name="python-registry",
    command=(sys.executable, "-m", "egse.registry.server"),
    ready_line=re.compile("Async registry server started on ports"),
)


def our_registry(binary):
    endpoint = r"tcp://\S+:(\d+)"
    line = rf"service-registry ready: requests {endpoint}, events {endpoint}, heartbeats {endpoint}"
    return Kind(
        name="service-registry",
        command=(binary,),
        ready_line=re.compile(rf"^{line}\n", re.MULTILINE),
    )


class DidNotStart(Exception):
    """A registry ended before it was ready."""


class PortsTaken(DidNotStart):
    """Somebody else listens on one of its ports."""


class Registry:
    """A registry process."""

    def __init__(self, kind, options, ports, log_path):
        self.ports = ports
        self.log_path = log_path
        self._ready_line = kind.ready_line
        with log_path.open("w") as log:
            self._process = subprocess.Popen(
                [*kind.command, "start", *options],
                cwd=log_path.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_until_ready(self):
        wait_until(lambda: self._find_ready_line() or self.has_ended(), "the registry to be ready")
        ready_line = self._find_ready_line()
        if ready_line is None:
            raise PortsTaken if "in use" in self.log() else DidNotStart
        if ready_line.groups():
            self.ports = Ports(*map(int, ready_line.groups()))

    def has_ended(self):
        return self._process.poll() is not None

    def wait_for_exit(self):
        """Waits for the end of the process and returns its exit code."""
        return self._process.wait(DEADLINE)

    def stop(self):
        """Asks it to stop, as a service manager does, and returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait_for_exit()

    def kill(self):
        """Ends it on the spot, without a chance to tidy up."""
        self._process.kill()
        self._process.wait()

    def _find_ready_line(self):
        return self._ready_line.search(self.log())


class Lab:
    """Starts registries, and ends what is left of them."""

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="service-registry-interop-")
        self._directory = Path(self._temporary.name)
        self.registries = []

    def start(self, kind, *flags, ports=None, database="service_registry.db", cleanup_interval=1):
        """Starts a registry and waits until it serves.

        Without `ports`, free ones are chosen on which another registry can follow this one.
        """
        options = [
            f"--db-path={self._directory / database}",
            f"--cleanup-interval={cleanup_interval}",
            *flags,
        ]
        if ports is not None:
            return self._start_on(ports, kind, options)
        for _ in range(START_ATTEMPTS):
            try:
                return self._start_on(choose_free_ports(), kind, options)
            except PortsTaken:
                continue
        raise PortsTaken(f"{START_ATTEMPTS} times in a row")

    def close(self):
        for registry in self.registries:
            registry.kill()
        self._temporary.cleanup()

    def _start_on(self, ports, kind, options):
        port_options = [
            f"--req-port={ports.requests}",
            f"--pub-port={ports.events}",
            f"--hb-port={ports.heartbeats}",
        ]
        log_path = self._directory / f"{len(self.registries) + 1}-{kind.name}.log"
        registry = Registry(kind, port_options + options, ports, log_path)
        self.registries.append(registry)
        registry.wait_until_ready()
        return registry


def choose_free_ports():
    """Three ports on which nobody listens at the moment."""
    free = []
    while len(free) < len(Ports._fields):
        port = random.choice(CHOSEN_PORTS)
        if port not in free and is_free(port):
            free.append(port)
    return Ports(*free)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
