"""A plain client of the protocol, for what `service-registry bench` does not do."""

import contextlib
import json
import threading
import time

import zmq

PATIENCE = 60_000
"""Milliseconds to wait for an answer."""


@contextlib.contextmanager
def connected(port, context=None):
    with (context or zmq.Context.instance()).socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(f"tcp://127.0.0.1:{port}")
        yield socket


def ask(socket, **request):
    """Sends a request and waits for its answer."""
    socket.send_multipart([b"REQ", json.dumps(request).encode()])
    if not socket.poll(PATIENCE):
        raise RuntimeError(f"no answer to {request['action']}")
    return json.loads(socket.recv_multipart()[-1])


def wait_for_services(server, count):
    """Until so many are registered."""
    with connected(server.requests) as socket:
        while len(ask(socket, action="list")["services"]) < count:
            time.sleep(0.1)


def service_info(number):
    return {
        "id": f"compare-{number}",
        "name": f"Power supply {number}",
        "host": "127.0.0.1",
        "port": 40_000 + number % 20_000,
        "type": f"COMPARE_{number}",
        "metadata": {"service_port": 6112, "monitoring_port": 6111},
        "tags": [f"COMPARE_{number}"],
    }


@contextlib.contextmanager
def registering(port):
    """Somebody registers services, one after the other, until the end."""
    over = threading.Event()

    def register():
        with connected(port, zmq.Context.instance()) as socket:
            number = 0
            while not over.is_set():
                number += 1
                request = {"action": "register", "service_info": service_info(number), "ttl": 3600}
                ask(socket, **request)

    thread = threading.Thread(target=register)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
