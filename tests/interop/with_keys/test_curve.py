"""CURVE: Python programs with pyzmq's keys, and ours. Needs a registry whose libzmq has CURVE."""

import json
import subprocess
from pathlib import Path

import pytest
import zmq
import zmq.auth
from lab import ANY_PORTS
from waiting import DEADLINE, wait_until

SILENCE = 0.5
"""Seconds: many times what an answer takes."""

SERVICE = {"name": "psu", "host": "127.0.0.1", "port": 6110, "id": "psu", "type": "PSU"}


@pytest.fixture
def keygen(request, tmp_path):
    """Makes keys with our command; gives the file and the public key."""
    binary = str(Path(request.config.getoption("--binary")).resolve())

    def make(name):
        path = tmp_path / name
        command = [binary, "keygen", str(path)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        return path, made.stdout.strip()

    return make


@pytest.fixture
def context():
    # Not `destroy(linger=0)`: a socket that went out of use is closed before, as its own linger says.
    with zmq.Context() as context:
        context.linger = 0
        yield context


class Client:
    """A DEALER and a SUB, with keys or without."""

    def __init__(self, context, registry, keys=None, server_key=None):
        self.requests = context.socket(zmq.DEALER)
        self.events = context.socket(zmq.SUB)
        self.events.subscribe(b"")
        for socket, port in [
            (self.requests, registry.ports.requests),
            (self.events, registry.ports.events),
        ]:
            if keys is not None:
                socket.curve_publickey, socket.curve_secretkey = keys
                socket.curve_serverkey = server_key
            socket.connect(f"tcp://127.0.0.1:{port}")

    def ask(self, action, patience=DEADLINE, **fields):
        """The answer, or None where none comes within so many seconds."""
        milliseconds = int(patience * 1000)
        # Once refused, a socket has nobody to send to.
        if not self.requests.poll(milliseconds, zmq.POLLOUT):
            return None
        body = json.dumps({"action": action, **fields}).encode()
        self.requests.send_multipart([b"REQ", body])
        if not self.requests.poll(milliseconds):
            return None
        return json.loads(self.requests.recv_multipart()[1])


def settings(key_file, **clients):
    known = [
        {"name": name, "key": key, "rights": rights} for name, (key, rights) in clients.items()
    ]
    return "--curve=" + json.dumps({"key_file": str(key_file), "clients": known})


def test_a_python_program_with_keys_of_ours_is_served(lab, ours, keygen, context):
    server_file, server_key = keygen("server.key")
    own_file, own_key = keygen("psu.key")
    registry = lab.start(ours, settings(server_file, psu=(own_key, "register")), ports=ANY_PORTS)
    # Our files are what pyzmq calls a certificate.
    keys = zmq.auth.load_certificate(own_file)
    assert keys[0] == own_key.encode()
    client = Client(context, registry, keys, server_key.encode())

    def event_arrives():
        assert client.ask("register", service_info=SERVICE)["success"]
        return client.events.poll(50)

    wait_until(event_arrives, "an event")
    assert client.ask("discover", service_type="PSU")["service"]["id"] == "psu"
    assert client.ask("terminate")["code"] == "not_allowed"


def test_keys_that_pyzmq_made_work_on_both_sides(lab, ours, tmp_path, context):
    files = {}
    for name in ("server", "admin"):
        _, files[name] = zmq.auth.create_certificates(tmp_path, name)
        Path(files[name]).chmod(0o600)
    server, own = (zmq.auth.load_certificate(files[name]) for name in ("server", "admin"))
    flag = settings(files["server"], admin=(own[0].decode(), "admin"))
    registry = lab.start(ours, flag, ports=ANY_PORTS)

    assert Client(context, registry, own, server[0]).ask("terminate")["success"]
    assert registry.wait_for_exit() == 0


def test_a_python_program_without_keys_or_with_unknown_ones_is_refused(
    lab, ours, keygen, context
):
    server_file, server_key = keygen("server.key")
    _, known_key = keygen("known.key")
    registry = lab.start(ours, settings(server_file, known=(known_key, "admin")), ports=ANY_PORTS)

    for client in (
        Client(context, registry),
        Client(context, registry, zmq.curve_keypair(), server_key.encode()),
    ):
        assert client.ask("health", patience=SILENCE) is None
