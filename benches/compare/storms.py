"""Many services at once: that come back, or fall silent."""

import json
import sqlite3
import time

import zmq
from client import ask, connected, service_info
from report import AtMost
from stand import free_ports

RETURNING = 5_000
"""Clients that come back, each with a socket of its own."""

QUEUED = 6
"""Heartbeats that each has queued: those of a minute, for a ttl of 30 s."""

DYING = 100_000
TTL_OF_DYING = 3


def measure(stand, report):
    return_of_the_clients(stand, report)
    death_of_the_services(stand, report)


def return_of_the_clients(stand, report):
    ports = free_ports()
    with stand.folder() as folder, zmq.Context(io_threads=1) as context:
        database = folder / "registry.db"
        with stand.ours(database):
            pass
        store(database, RETURNING, ttl=30)
        context.max_sockets = RETURNING + 10
        report.progress(f"{RETURNING:,} clients with {QUEUED} heartbeats each")
        clients = queue_heartbeats(context, ports[2])
        waits = []
        # Until the system's queue of connections is bound, no client can be late.
        with stand.ours(database, ports=ports) as ours:
            bound_at = time.monotonic()
            seconds = time_until_all_pass(ours, bound_at, waits)
        for client in clients:
            client.close(0)
    note = f"{RETURNING * QUEUED:,} heartbeats"
    report.add(f"{RETURNING:,} clients are back after", seconds, "s", AtMost(5), note)
    report.add("longest wait of a fresh request meanwhile", max(waits), "s", AtMost(0.5))


def queue_heartbeats(context, port):
    clients = []
    for number in range(RETURNING):
        client = context.socket(zmq.DEALER)
        client.reconnect_ivl = 100
        client.reconnect_ivl_max = 2_000
        client.connect(f"tcp://127.0.0.1:{port}")
        body = json.dumps({"action": "renew", "service_id": service_info(number)["id"]}).encode()
        for _ in range(QUEUED):
            client.send(body)
        clients.append(client)
    return clients


def time_until_all_pass(ours, bound_at, waits):
    with connected(ours.requests) as socket:
        while True:
            asked_at = time.monotonic()
            ask(socket, action="discover", service_type="COMPARE_0")
            waits.append(time.monotonic() - asked_at)
            services = ask(socket, action="list")["services"]
            if sum(service["health"] == "passing" for service in services) == RETURNING:
                return time.monotonic() - bound_at


def death_of_the_services(stand, report):
    """They are in the database, from a registry that ended an hour ago, and never come back."""
    with stand.folder() as folder:
        database = folder / "registry.db"
        with stand.ours(database):
            pass
        store(database, DYING, TTL_OF_DYING)
        report.progress(f"{DYING:,} services that expire")
        with stand.ours(database, options=["--cleanup-interval=1"]) as ours:
            asking = {"clients": 4, "services": 10, "rate": 500, "warm_up": 0.5}
            with stand.benching(ours, "discover", 3 * TTL_OF_DYING, **asking) as finish:
                asked = finish()[-1]
            with connected(ours.requests) as socket:
                left = len(ask(socket, action="list")["services"])
    if left:
        raise RuntimeError(f"{left} services have not expired")
    note = f"p99.9 {asked['p99_9_us'] / 1000:.1f} ms"
    longest = asked["max_us"] / 1000
    report.add(f"longest wait while {DYING:,} services expire", longest, "ms", AtMost(50), note)


def store(database, count, ttl):
    """Puts services into a database, last heard an hour ago."""
    heard_at = int(time.time()) - 3600
    rows = []
    for info in map(service_info, range(count)):
        metadata = {**info["metadata"], "type": info["type"]}
        row = (info["id"], info["name"], info["host"], info["port"])
        rows.append((*row, json.dumps(metadata), ttl, heard_at, json.dumps(info["tags"])))
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany(
            "INSERT INTO services (id, name, host, port, metadata, ttl, last_heartbeat, tags) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    connection.close()
