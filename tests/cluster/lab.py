"""What lives in the cluster while it is broken: services, a writer, rivals for one type, and
subscribers, with what each of them saw."""

import json
import random
import subprocess
import threading
import time
from contextlib import contextmanager

import zmq

from cluster import HOST

TTL = 6
"""Seconds. Clients send three heartbeats in it."""

PATIENCE = 2_000
"""Milliseconds for an answer."""

CONTEXT = zmq.Context.instance()


def wait_until(condition, expectation, deadline=10):
    """Waits until `condition()` is true."""
    give_up_at = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < give_up_at, f"waited {deadline} s in vain for {expectation}"
        time.sleep(0.02)


class Silence(Exception):
    """Nothing came back."""


class Line:
    """Asks one registry, a question at a time."""

    def __init__(self, registry, patience=PATIENCE):
        self._endpoint = f"tcp://{HOST}:{registry.ports.requests}"
        self._patience = patience
        self._socket = None

    def ask(self, action, **fields):
        if self._socket is None:
            self._socket = CONTEXT.socket(zmq.DEALER)
            self._socket.linger = 0
            self._socket.connect(self._endpoint)
        self._socket.send_multipart([b"REQ", json.dumps({"action": action, **fields}).encode()])
        if not self._socket.poll(self._patience):
            # An answer that comes late must not be taken for the next one.
            self.close()
            raise Silence(f"{action} at {self._endpoint}")
        _, body = self._socket.recv_multipart()
        return json.loads(body)

    def register(self, service_id, service_type, ttl=3_600):
        info = {"name": service_id, "id": service_id, "host": HOST, "port": 1}
        return self.ask("register", service_info={**info, "type": service_type}, ttl=ttl)

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Background:
    """Something that goes on in a thread of its own until this is left."""

    def __init__(self):
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _run(self):
        while not self._is_over.is_set():
            self.turn()


class Writer(Background):
    """Registers ever new services, at any registry, and remembers which were acknowledged."""

    def __init__(self, registries):
        super().__init__()
        self._lines = [Line(registry) for registry in registries]
        self.acknowledged = []
        self._count = 0

    def turn(self):
        self._count += 1
        service_id = f"written-{self._count}"
        try:
            reply = random.choice(self._lines).register(service_id, service_id.upper())
        except Silence:
            return
        if reply["success"]:
            self.acknowledged.append(service_id)
        self._is_over.wait(0.2)


class Rivals(Background):
    """Two services that want the same type, at two registries at the same moment, ever again.
    Who gets it gives it back."""

    def __init__(self, registries):
        super().__init__()
        self._registries = registries
        self.won = 0
        self.both = []
        self._count = 0

    def turn(self):
        self._count += 1
        service_type = f"CONTESTED_{self._count}"
        replies = {}

        def try_it(name, registry):
            line = Line(registry)
            try:
                replies[name] = line.register(f"{name}-{self._count}", service_type)["success"]
            except Silence:
                pass
            finally:
                line.close()

        pair = zip(("rival-a", "rival-b"), random.sample(self._registries, 2))
        threads = [threading.Thread(target=try_it, args=it) for it in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [name for name, success in replies.items() if success]
        self.won += len(winners)
        if len(winners) > 1:
            self.both.append(service_type)
        self._is_over.wait(0.1)


class Reader(Background):
    """Asks one registry for its services, again and again, and notes when it did not answer."""

    def __init__(self, registry):
        super().__init__()
        self._line = Line(registry, patience=500)
        self.registry = registry
        self.answers = 0
        self.silences = []

    def turn(self):
        try:
            assert self._line.ask("discover", service_type="READ")["success"] in (True, False)
            self.answers += 1
        except Silence:
            self.silences.append(time.monotonic())
        self._is_over.wait(0.02)


class Subscriber(Background):
    """Hears the events of one registry. One that is killed takes its connection with it, and what
    it publishes until the subscriber is back passes unheard."""

    def __init__(self, registry):
        super().__init__()
        self.registry = registry
        self._socket = CONTEXT.socket(zmq.SUB)
        self._socket.rcvhwm = 0
        self._socket.reconnect_ivl = 20
        self._socket.subscribe(b"")
        self._socket.connect(f"tcp://{HOST}:{registry.ports.events}")
        self.events = []

    def turn(self):
        if self._socket.poll(50):
            kind, body = self._socket.recv_multipart()
            body = json.loads(body)
            service_id = body["data"]["service_id"]
            self.events.append((body["epoch"], body["seq"], kind.decode(), service_id))

    def expired(self):
        return [service_id for _, _, kind, service_id in self.events if kind == "expire"]

    def gaps(self, since=0):
        """Where the numbers do not go on by one, in the events from this one on."""
        events = self.events[since:]
        pairs = zip(events, events[1:])
        return [
            (one[:2], other[:2])
            for one, other in pairs
            if one[0] != other[0] or other[1] != one[1] + 1
        ]


class Watcher(Background):
    """A watch of the Rust library, which goes from one registry to another."""

    def __init__(self, binary, hosts):
        super().__init__()
        command = [binary, "watch", "--json", "--host", hosts]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.ids = set()
        self.twice = []
        self.removed = []

    def __exit__(self, *_):
        self._process.kill()
        super().__exit__()
        self._process.wait()

    def turn(self):
        line = self._process.stdout.readline()
        if not line:
            self._is_over.wait()
            return
        told = json.loads(line)
        service_id = told["service"]["id"]
        if told["change"] == "registered":
            if service_id in self.ids:
                self.twice.append(service_id)
            self.ids.add(service_id)
        elif told["change"] != "changed":
            self.ids.discard(service_id)
            self.removed.append((told["change"], service_id))


@contextmanager
def rust_fleet(program, name, registries, count):
    """So many clients of the Rust library, which go first to the first of these registries."""

    def endpoints(port):
        return ",".join(f"tcp://{HOST}:{getattr(it.ports, port)}" for it in registries)

    command = [program, *map(endpoints, ("requests", "events", "heartbeats"))]
    command += ["fleet", name, str(count), str(TTL)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        states = []
        for line in process.stdout:
            if line == f"{count} clients are there\n":
                break
            states.append(line.strip())
        collect = threading.Thread(
            target=lambda: states.extend(line.strip() for line in process.stdout), daemon=True
        )
        collect.start()
        yield [f"{name}-{number}" for number in range(count)], states
    finally:
        process.stdin.close()
        process.wait(30)
