"""Services of the unmodified Python clients, each of which knows one registry."""

import asyncio
import threading
from contextlib import contextmanager

from egse.registry.client import AsyncRegistryClient, RegistryClient
from egse.system import get_host_ip

from cluster import HOST
from lab import TTL

CLAIMED_HOST = get_host_ip() or HOST
"""Where every service claims to be. A client that finds itself on another host than it registered
with registers again instead of sending heartbeats."""

REPLY_TIMEOUT = 5
"""Seconds. The clients' own half second is short for a busy machine."""

INTERVAL = TTL / 3
"""Seconds from one heartbeat to the next."""

RETRY = 0.5
"""Seconds until a registration that was refused, or not answered, is tried again."""

JOIN_DEADLINE = 30
"""Seconds for all clients to disconnect."""


def endpoints(registry):
    ports = registry.ports
    return {
        "registry_req_endpoint": f"tcp://{HOST}:{ports.requests}",
        "registry_sub_endpoint": f"tcp://{HOST}:{ports.events}",
        "registry_hb_endpoint": f"tcp://{HOST}:{ports.heartbeats}",
    }


def identity(service_id):
    """What a service says of itself."""
    return {
        "name": service_id,
        "host": CLAIMED_HOST,
        "port": 1,
        "service_type": service_id.upper(),
        "service_id": service_id,
        "ttl": TTL,
    }


@contextmanager
def synchronous_service(registry, service_id):
    client = RegistryClient(**endpoints(registry), timeout=REPLY_TIMEOUT)
    client.connect()
    try:
        assert client.register(**identity(service_id)) == service_id
        client.start_heartbeat(interval=INTERVAL)
        yield
    finally:
        client.stop_heartbeat()
        client.disconnect()


class AsynchronousFleet:
    """Services of asynchronous clients, all of them on one loop in a thread of its own.

    The heartbeats of such a client can end for good when its registry is away for more than three
    seconds, the Python registry as well as ours: it gives up two health checks, takes the late
    reply to the first for that to the second, and the one to the second for that to the
    registration which follows. That names no service, so it forgets the id of its own and ends its
    task. So each service here does what its author has to do: where the task has ended, it
    registers again, by a client to which no late reply can come.
    """

    def __init__(self, services):
        self._services = services
        self.ended_tasks = 0
        self._loop = asyncio.new_event_loop()
        self._is_over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(JOIN_DEADLINE)
        assert not self._thread.is_alive(), "all clients disconnect"

    def _run(self):
        self._loop.run_until_complete(self._keep_all())
        self._loop.close()

    async def _keep_all(self):
        keepers = [asyncio.create_task(self._keep(*service)) for service in self._services]
        await self._is_over.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)

    async def _keep(self, registry, service_id):
        while True:
            client = AsyncRegistryClient(**endpoints(registry), timeout=REPLY_TIMEOUT)
            await client.connect()
            try:
                if await client.register(**identity(service_id)) == service_id:
                    heartbeats = await client.start_heartbeat(interval=INTERVAL)
                    await asyncio.wait([heartbeats])
                    self.ended_tasks += 1
            finally:
                await client.disconnect()
            await asyncio.sleep(RETRY)
