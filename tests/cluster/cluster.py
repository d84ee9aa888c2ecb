"""Three etcd members and three registries on this host: to try a cluster out, and to break one.

As a program it is `scripts/cluster`, which tells how it is used.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

from proxy import Proxy

COUNT = 3
"""Members and registries: the fewest of which one may be lost."""

HOST = "127.0.0.1"

READY_DEADLINE = 30
"""Seconds for a member to have a leader, or for a registry to serve."""

END_DEADLINE = 20
"""Seconds for a process to end by itself before it is killed."""

PAUSE = 0.05

QUOTA = 64 << 20
"""Bytes that a member may keep: much for a registry, little for a disk."""


class Ports(NamedTuple):
    """Where a member, and the registry beside it, listen."""

    client: int
    peer: int
    requests: int
    events: int
    heartbeats: int


USUAL_PORTS = [
    Ports(10_000 * n + 2_379, 10_000 * n + 2_380, *range(6_090 + 10 * n, 6_093 + 10 * n))
    for n in range(1, COUNT + 1)
]


class Broken(Exception):
    """A process of the cluster does not do what it should."""


class Process:
    """A member or a registry, which comes and goes."""

    def __init__(self, name, folder):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._process = None

    def spawn(self, command, folder):
        with self.log_path.open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self):
        return self._process.pid

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def send(self, signal_number):
        self._process.send_signal(signal_number)

    def kill(self):
        if self.is_running():
            self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self):
        """Asks it to end, as a service manager does. One that was stopped by a signal wakes up."""
        if not self.is_running():
            return
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self._process.wait(END_DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Broken(f"{self.name} did not end within {END_DEADLINE} s") from None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_until(self, condition, expectation):
        deadline = time.monotonic() + READY_DEADLINE
        while not condition():
            if not self.is_running() or time.monotonic() > deadline:
                end = "\n".join(self.log().splitlines()[-20:])
                raise Broken(f"{self.name} is not {expectation}; its log ends so:\n{end}")
            time.sleep(PAUSE)


class Member(Process):
    """A member of etcd."""

    def __init__(self, number, all_ports, folder):
        super().__init__(f"etcd-{number}", folder)
        self._folder = folder
        ports = all_ports[number - 1]
        self.url = f"http://{HOST}:{ports.client}"
        self.data = folder / self.name
        peers = [
            f"etcd-{other}=http://{HOST}:{it.peer}" for other, it in enumerate(all_ports, start=1)
        ]
        peer = f"http://{HOST}:{ports.peer}"
        self._command = [
            "etcd",
            f"--name={self.name}",
            f"--data-dir={self.data}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={','.join(peers)}",
            "--initial-cluster-state=new",
            f"--initial-cluster-token={folder.name}",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=10m",
            f"--quota-backend-bytes={QUOTA}",
            "--max-snapshots=2",
            "--max-wals=2",
            "--logger=zap",
            "--log-level=warn",
        ]

    def start(self):
        self.spawn(self._command, self._folder)

    def wait_until_ready(self):
        self.wait_until(self.is_well, "ready")

    def is_well(self):
        """Whether it has a leader."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1) as reply:
                return json.load(reply).get("health") == "true"
        except (OSError, ValueError):
            return False

    def is_leader(self):
        try:
            request = urllib.request.Request(f"{self.url}/v3/maintenance/status", data=b"{}")
            with urllib.request.urlopen(request, timeout=2) as reply:
                status = json.load(reply)
        except (OSError, ValueError):
            return False
        return status["leader"] == status["header"]["member_id"]


class Registry(Process):
    """A registry, which reaches etcd through a proxy of its own where one is asked for."""

    def __init__(self, number, ports, urls, folder, binary):
        super().__init__(f"registry-{number}", folder)
        self.ports = ports
        self._folder = folder / self.name
        self._folder.mkdir(exist_ok=True)
        settings = self._folder / "registry.yaml"
        settings.write_text(
            "\n".join(
                [
                    "backend: etcd",
                    f"etcd: {json.dumps({'endpoints': urls, 'name': self.name})}",
                    f"req_port: {ports.requests}",
                    f"pub_port: {ports.events}",
                    f"hb_port: {ports.heartbeats}",
                    "cleanup_interval: 1",
                    "log_level: info",
                    "",
                ]
            )
        )
        self._command = [binary, "start", f"--config={settings}"]

    def start(self):
        self._seen = self.log().count("service-registry ready")
        self.spawn(self._command, self._folder)

    def wait_until_ready(self):
        self.wait_until(
            lambda: self.log().count("service-registry ready") > self._seen, "ready"
        )

    @property
    def address(self):
        """Where commands ask it."""
        return f"{HOST}:{self.ports.requests}"


class Cluster:
    """All of it. Leaving it ends what runs."""

    def __init__(self, binary, folder, all_ports=None, with_proxies=False):
        folder = Path(folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        all_ports = all_ports or choose_free_ports()
        numbers = range(1, COUNT + 1)
        self.members = [Member(number, all_ports, folder) for number in numbers]
        self.registries = []
        self._proxies = []
        for number in numbers:
            urls = [member.url for member in self.members]
            # Each asks the member beside it first.
            urls = urls[number - 1 :] + urls[: number - 1]
            proxies = [Proxy(url) for url in urls] if with_proxies else []
            self._proxies.extend(proxies)
            urls = [proxy.url for proxy in proxies] or urls
            registry = Registry(number, all_ports[number - 1], urls, folder, binary)
            registry.proxies = proxies
            self.registries.append(registry)

    def __enter__(self):
        try:
            for part in (self.members, self.registries):
                for process in part:
                    process.start()
                for process in part:
                    process.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        broken = []
        for process in self.registries + self.members:
            try:
                process.stop()
            except Broken as error:
                broken.append(str(error))
        for proxy in self._proxies:
            proxy.close()
        if broken:
            raise Broken("; ".join(broken))

    @property
    def hosts(self):
        """All registries, as the commands take them."""
        return ",".join(registry.address for registry in self.registries)

    def leader(self):
        deadline = time.monotonic() + READY_DEADLINE
        while time.monotonic() < deadline:
            for member in self.members:
                if member.is_running() and member.is_leader():
                    return member
            time.sleep(PAUSE)
        raise Broken("etcd has no leader")


def choose_free_ports():
    """Ports below the range from which the system picks some for outgoing connections."""
    chosen = []
    for port in random.sample(range(15_000, 32_000), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        chosen.append(port)
        if len(chosen) == COUNT * len(Ports._fields):
            width = len(Ports._fields)
            return [Ports(*chosen[at : at + width]) for at in range(0, len(chosen), width)]
    raise Broken("this host has no free ports")


def run(command, hosts):
    """Runs a command that finds the registries, and returns its exit code."""
    return subprocess.call(command, env={**os.environ, "SERVICE_REGISTRY_HOST": hosts})


def main():
    parser = argparse.ArgumentParser(prog="scripts/cluster", add_help=False)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder")
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    # As Ctrl-C does, so that everything is ended in its order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="service-registry-cluster-") as temporary:
        folder = arguments.folder or temporary
        with Cluster(arguments.binary, folder, USUAL_PORTS) as cluster:
            if arguments.command:
                return run(arguments.command, cluster.hosts)
            members = ",".join(member.url for member in cluster.members)
            print(f"etcd        {members}")
            print(f"registries  {cluster.hosts}")
            print(f"logs        {folder}")
            print(f"export SERVICE_REGISTRY_HOST={cluster.hosts}", flush=True)
            signal.pause()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Broken as error:
        sys.exit(f"scripts/cluster: {error}")
