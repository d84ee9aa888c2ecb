"""What the registry needs: memory, processor, time to start, space on the disk."""

import time

from report import AtMost
from stand import median
from storms import store

MANY, MOST = 100_000, 1_000_000
KILOBYTE, MEGABYTE = 1e3, 1e6

HEARTBEATING = 5_000
SETTLING, COUNTING, IDLE = 6, 10, 10
"""Seconds: until the load is even, and for how long something is counted."""

ECHOED = 57
"""Bytes of the echo's answers, as many as those to heartbeats have."""


def measure(stand, report):
    idle = idle_server(stand, report)
    heartbeats(stand, report)
    starts(stand, report)
    memory(stand, report, idle)
    size = stand.binary.stat().st_size
    report.add("release binary, stripped", size / MEGABYTE, "MB", AtMost(8))


def idle_server(stand, report):
    with stand.ours() as ours:
        before = ours.wake_ups()
        time.sleep(IDLE)
        wake_ups = (ours.wake_ups() - before) / IDLE
        resident = ours.resident_bytes()
    report.add("wake-ups of an idle server", wake_ups, "/s", AtMost(2))
    report.add("resident memory, idle", resident / MEGABYTE, "MB", AtMost(8))
    return resident


def heartbeats(stand, report):
    """Three heartbeats in a ttl of 30 s, as clients send them, each from its own socket."""
    rate = HEARTBEATING * 3 // 30
    load = {"clients": HEARTBEATING, "services": HEARTBEATING, "rate": rate, "warm_up": 0}
    parts = []
    with stand.ours() as ours, stand.echo(ECHOED) as echo:
        for server in (ours, echo):
            with stand.benching(server, "heartbeat", SETTLING + COUNTING + 2, **load) as finish:
                time.sleep(SETTLING)
                before = server.processor_seconds()
                time.sleep(COUNTING)
                parts.append(100 * (server.processor_seconds() - before) / COUNTING)
                finish()
    mine, other = parts
    note = f"{rate} heartbeats a second, the echo {other:.2g} %"
    report.add(f"{HEARTBEATING:,} services heartbeating", mine, "% of a core", AtMost(2), note)


def starts(stand, report):
    with stand.folder() as folder:
        for count, limit in ((0, 0.05), (MANY, 1.0)):
            database = folder / f"{count}.db"
            with stand.ours(database):
                pass
            if count:
                store(database, count, ttl=3600)
            times = []
            for _ in range(stand.rounds):
                with stand.ours(database) as ours:
                    times.append(ours.seconds_to_ready)
            what = f"ready after start, {count:,} services"
            report.add(what, 1000 * median(times), "ms", AtMost(1000 * limit))


def memory(stand, report, idle):
    """The most that was ever resident while so many services registered, and were there."""
    for count in (MANY, MOST):
        with stand.ours() as ours:
            load = {"services": count, "clients": 8, "in_flight": 32}
            with stand.benching(ours, "get", 0.5, **load) as finish:
                finish()
            resident = ours.status("VmHWM") * 1024
        what = f"resident memory with {count:,} services"
        if count == MANY:
            each = (resident - idle) / count
            report.add("resident memory per service", each / KILOBYTE, "kB", AtMost(1), what)
        else:
            report.add(what, resident / MEGABYTE, "MB", AtMost(1000))
