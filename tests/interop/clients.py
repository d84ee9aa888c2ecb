"""The real Python clients, the synchronous and the asynchronous one, used alike by the tests."""

import asyncio
import json
import threading

from egse.registry.client import AsyncRegistryClient, RegistryClient
from egse.system import get_host_ip
from waiting import DEADLINE, wait_until

HOST = get_host_ip() or "127.0.0.1"
"""Where every service claims to be. A client that finds itself on another host than it registered
with registers again instead of sending heartbeats."""

REPLY_TIMEOUT = 10
"""Seconds. The clients' own half second is short for a busy machine."""

EVENT_TYPES = ["register", "deregister", "expire"]


class EventLoop:
    """An asyncio loop in a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, coroutine):
        """Lets `coroutine` run beside the test."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine):
        """Waits for the result of `coroutine`."""
        return self.start(coroutine).result(DEADLINE)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()


class BlockingClient:
    """An `AsyncRegistryClient` whose every method is carried out on its loop and waited for."""

    def __init__(self, client, loop):
        self._client = client
        self._loop = loop

    def stop_heartbeat(self):
        # Before Python 3.12, asyncio forgets a cancellation that comes together with a reply, and
        # the client waits for ever. The second one, at the timeout, gets through.
        self._loop.run(asyncio.wait_for(self._client.stop_heartbeat(), timeout=2))

    def __getattr__(self, name):
        method = getattr(self._client, name)

        async def call(*arguments, **options):
            result = method(*arguments, **options)
            return await result if asyncio.iscoroutine(result) else result

        return lambda *arguments, **options: self._loop.run(call(*arguments, **options))


class Clients:
    """Connects clients, and disconnects them at the end."""

    def __init__(self):
        self.loop = EventLoop()
        self._connected = []

    def synchronous(self, registry):
        return self._connect(RegistryClient(**endpoints(registry), timeout=REPLY_TIMEOUT))

    def asynchronous(self, registry):
        client = AsyncRegistryClient(**endpoints(registry), timeout=REPLY_TIMEOUT)
        return self._connect(BlockingClient(client, self.loop))

    def close(self):
        for client in self._connected:
            # The asynchronous client stops its heartbeats when it disconnects.
            if isinstance(client, RegistryClient):
                client.stop_heartbeat()
            client.disconnect()
        self.loop.close()

    def _connect(self, client):
        client.connect()
        self._connected.append(client)
        return client


def endpoints(registry):
    ports = registry.ports
    return {
        "registry_req_endpoint": f"tcp://127.0.0.1:{ports.requests}",
        "registry_sub_endpoint": f"tcp://127.0.0.1:{ports.events}",
        "registry_hb_endpoint": f"tcp://127.0.0.1:{ports.heartbeats}",
    }


class Events:
    """The events that reach one client from now on.

    The asynchronous client hands them to handlers. The synchronous one has a socket for them and
    leaves the reading to its user.
    """

    def __init__(self, client):
        self._client = client
        self._received = []
        if isinstance(client, BlockingClient):
            self._listen()
        self._wait_for_subscription()

    def wait_for(self, event_type, service_id):
        """Waits for this event and returns its data."""
        return wait_until(
            lambda: self._find(event_type, service_id), f"a {event_type} event of {service_id}"
        )

    def types_of(self, service_id):
        """The types of the events of one service so far, in order."""
        self._read_socket()
        return [kind for kind, data in self._received if data["service_id"] == service_id]

    def _find(self, event_type, service_id):
        self._read_socket()
        for kind, data in self._received:
            if kind == event_type and data["service_id"] == service_id:
                return data
        return None

    def _listen(self):
        for event_type in EVENT_TYPES:
            self._client.on_event(event_type, self._handler(event_type))
        self._client.start_event_listener()

    def _handler(self, event_type):
        return lambda data: self._received.append((event_type, data))

    def _read_socket(self):
        if isinstance(self._client, BlockingClient):
            return
        while self._client.sub_socket.poll(0):
            event_type, event = self._client.sub_socket.recv_multipart()
            self._received.append((event_type.decode(), json.loads(event)["data"]))

    def _wait_for_subscription(self):
        """Events before the subscription reached the registry are lost: tries until one comes."""
        probe = "subscription-probe"

        def event_arrives():
            self._client.register(probe, HOST, 1, service_id=probe)
            return self._find("register", probe)

        wait_until(event_arrives, "the subscription")
        self._client.deregister(probe)
