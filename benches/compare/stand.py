"""The test stand: starts what is measured, loads it, and cleans up.

Everything runs on this host. Ports are free ones, and every process, socket and file is gone when
a measurement is over.
"""

import contextlib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

READY = re.compile(
    r"(?:service-registry|echo) ready: requests \D*([\d.]+:)?(\d+)"
    r"(?:, events \D*(?:[\d.]+:)?(\d+))?, heartbeats \D*(?:[\d.]+:)?(\d+)"
)

ROOM_FOR_A_MILLION = "services=1000000,registry_bytes=1073741824,memory_bytes=4294967296"
"""The limits that a million services need, and lists of ten thousand to several who ask at once."""

DEADLINE = 60
"""Seconds after which a process that is not ready never will be."""

CHOSEN_PORTS = range(15_000, 32_000)
"""Below the range from which systems pick ports for outgoing connections."""


@dataclass
class Server:
    """A running process that answers requests."""

    process: subprocess.Popen
    requests: int
    heartbeats: int
    seconds_to_ready: float

    @property
    def pid(self):
        return self.process.pid

    def status(self, key):
        """A line of the process's status, as a number: kB for memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)[1])

    def resident_bytes(self):
        return self.status("VmRSS") * 1024

    def processor_seconds(self):
        """How long its threads have run, in user and kernel mode."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def wake_ups(self):
        """How often its threads have waited for something that then came."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            status = (task / "status").read_text()
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1])
        return total


class Stand:
    """Starts servers and puts load on them."""

    def __init__(self, target_directory, rounds, seconds):
        target_directory = target_directory.resolve()
        release = target_directory / "release"
        self.binary = release / "service-registry"
        self._echo = release / "examples" / "echo"
        self._sqlite = release / "examples" / "sqlite"
        self._etcd = release / "examples" / "etcd"
        self._target_directory = target_directory
        self.rounds = rounds
        self.seconds = seconds

    @contextlib.contextmanager
    def folder(self):
        """A folder on the disk that the build is on, since memory would not be a disk."""
        with tempfile.TemporaryDirectory(prefix="compare-", dir=self._target_directory) as name:
            yield Path(name)

    @contextlib.contextmanager
    def ours(self, database=None, environment=None, ports=(0, 0, 0), options=()):
        """This registry; on a new database unless there is one already."""
        with contextlib.ExitStack() as stack:
            if database is None:
                database = stack.enter_context(self.folder()) / "registry.db"
            requests, events, heartbeats = ports
            command = [
                self.binary,
                "start",
                f"--db-path={database}",
                f"--req-port={requests}",
                f"--pub-port={events}",
                f"--hb-port={heartbeats}",
                "--log-level=warn",
                f"--limits={ROOM_FOR_A_MILLION}",
                *options,
            ]
            yield stack.enter_context(running(command, database.parent, environment))

    @contextlib.contextmanager
    def echo(self, reply_bytes):
        """ZeroMQ alone, with answers of this size."""
        with self.folder() as folder, running([self._echo, str(reply_bytes)], folder) as server:
            yield server

    @contextlib.contextmanager
    def python(self, database=None):
        """The Python registry of cgse-core; on a new database unless there is one already."""
        requests, events, heartbeats = free_ports()
        with self.folder() as folder, (folder / "log").open("w+") as log:
            command = [
                *(sys.executable, "-m", "egse.registry.server", "start"),
                f"--db-path={database or folder / 'registry.db'}",
                f"--req-port={requests}",
                f"--pub-port={events}",
                f"--hb-port={heartbeats}",
            ]
            started = time.monotonic()
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
            try:
                wait_for_port(requests, process)
                yield Server(process, requests, heartbeats, time.monotonic() - started)
            finally:
                process.kill()
                process.wait()

    def sqlite_rows_per_second(self, batch):
        """What SQLite alone commits, of the rows that `bench` registers."""
        with self.folder() as folder:
            command = [self._sqlite, "--folder", folder, "--batches", str(batch)]
            command += ["--seconds", str(self.seconds)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["rows_per_second"]

    def etcd_alone(self, url, clients):
        """What a member of etcd answers to those who use it directly, for each kind of request."""
        command = [self._etcd, "--url", url, "--clients", str(clients)]
        command += ["--seconds", str(self.seconds / 2)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def bench(self, server, action, seconds=None, **options):
        """Loads `server`, and returns what was measured of an action, the last of several."""
        return self.bench_all(server, action, seconds, **options)[-1]

    def bench_all(self, server, actions, seconds=None, **options):
        """Loads `server`, and returns what was measured of each of the actions."""
        with self.benching(server, actions, seconds, **options) as finish:
            return finish()

    @contextlib.contextmanager
    def benching(self, server, actions, seconds=None, **options):
        """Loads `server` in the background; what is handed out waits for the end."""
        flags = {
            "req-port": server.requests,
            "hb-port": server.heartbeats,
            "actions": actions,
            "seconds": seconds or self.seconds,
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        command = [self.binary, "bench", "--json", "--allow-foreign"]
        command += [f"--{name}={value}" for name, value in flags.items()]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
        )

        def finish():
            out, error = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(f"{' '.join(map(str, command))}: {error}")
            results = json.loads(out)["results"]
            for result in results:
                if result["errors"]:
                    raise RuntimeError(f"{result['action']} failed: {result['first_error']}")
            return results

        try:
            yield finish
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(command, folder, environment=None):
    """Runs a server that tells on its first line where it listens."""
    # Behind the measured one: what a test stand does must not cost the server its turn.
    started = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        line = process.stdout.readline()
        ready = READY.match(line)
        if ready is None:
            raise RuntimeError(f"{command[0]} did not start: {(folder / 'log').read_text()}")
        yield Server(process, int(ready[2]), int(ready[4]), time.monotonic() - started)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for_port(port, process):
    give_up_at = time.monotonic() + DEADLINE
    while True:
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"nobody listens on port {port}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)


def free_ports():
    """Three ports on which nobody listens at the moment."""
    ports = []
    while len(ports) < 3:
        port = random.choice(CHOSEN_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return tuple(ports)


def median(values):
    return statistics.median(values)
