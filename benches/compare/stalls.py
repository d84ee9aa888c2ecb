"""What those wait who only ask, while others make the disk work."""

import contextlib
import mmap
import struct
import subprocess
import threading
import time
from pathlib import Path

from client import registering, wait_for_services
from report import AtMost
from stand import median

STALL = 2.0
"""Seconds that every commit stands still."""

FAULTY_DISK = Path(__file__).parents[2] / "tests" / "it" / "support" / "faulty_disk.c"
SYNCS, STALLS, FOR_EVER = 2, 2, 2**63
FIRST_CALL, LAST_CALL = 8, 16
CONTROL_BYTES = 64

WARM_UP = 2.0
"""Seconds, in which the disk begins to stall."""

ASKING = {"clients": 4, "in_flight": 1, "services": 100, "rate": 1_000}
"""A rate that leaves the processor to those who write."""

SECONDS_MIN = 5.0
"""How long it takes at that rate until some of the slowest thousandth have come."""

ECHOED = 300
"""Bytes of the echo's answers, about as many as those to `discover` have."""


def measure(stand, report):
    beside_registrations(stand, report)
    beside_a_stalled_disk(stand, report)


def beside_registrations(stand, report):
    """The echo, asked in place of the registry, tells what of it is the host that is busy."""
    rounds = []
    with stand.ours() as ours, stand.echo(ECHOED) as echo:
        for _ in range(stand.rounds):
            alone = [p99(stand, server) for server in (ours, echo)]
            beside = [p99_beside_registrations(stand, ours, server) for server in (ours, echo)]
            rounds.append((*beside, *alone))
    beside, echo_beside, alone, echo_alone = (median(values) for values in zip(*rounds))
    report.add(
        "`discover` p99 beside 8 clients that register, to alone",
        median(beside / alone for beside, _, alone, _ in rounds),
        "",
        AtMost(2),
        f"{beside:,.0f} µs and {alone:,.0f} µs, the echo {echo_beside:,.0f} µs and "
        f"{echo_alone:,.0f} µs",
    )


def p99_beside_registrations(stand, ours, asked):
    seconds = length(stand)
    writers = {"clients": 8, "in_flight": 1, "services": 1_000, "warm_up": 0}
    with stand.benching(ours, "register", seconds + 3, **writers):
        return p99(stand, asked)


def p99(stand, asked):
    return stand.bench(asked, "discover", length(stand), warm_up=1, **ASKING)["p99_us"]


def beside_a_stalled_disk(stand, report):
    pairs = []
    with stand.folder() as folder, faulty_disk(folder) as (environment, control):
        with stand.ours(folder / "registry.db", environment) as ours:
            for _ in range(stand.rounds):
                alone = stand.bench(ours, "discover", length(stand), warm_up=WARM_UP, **ASKING)
                load = {"seconds": length(stand), "warm_up": WARM_UP, **ASKING}
                with stand.benching(ours, "discover", **load) as finish:
                    # What is asked for must be there before the disk stalls.
                    wait_for_services(ours, ASKING["services"])
                    with stalling(control), registering(ours.requests):
                        beside = finish()[-1]
                pairs.append((beside["p99_9_us"], alone["p99_9_us"]))
    beside, alone = (median(values) for values in zip(*pairs))
    report.add(
        f"`discover` p99.9 while every commit stalls for {STALL:g} s, to alone",
        median(beside / alone for beside, alone in pairs),
        "",
        AtMost(2),
        f"{beside:,.0f} µs and {alone:,.0f} µs",
    )


def length(stand):
    return max(stand.seconds, SECONDS_MIN)


@contextlib.contextmanager
def faulty_disk(folder):
    """The library of the tests that lets a process's disk stall, and the file that commands it."""
    library, commands = folder / "faulty_disk.so", folder / "faulty_disk"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, FAULTY_DISK, "-ldl"], check=True)
    commands.write_bytes(bytes(CONTROL_BYTES))
    environment = {
        "LD_PRELOAD": str(library),
        "FAULTY_DISK_CONTROL": str(commands),
        "FAULTY_DISK_FOLDER": str(folder.resolve()),
    }
    with commands.open("r+b") as file, mmap.mmap(file.fileno(), CONTROL_BYTES) as control:
        yield environment, control


@contextlib.contextmanager
def stalling(control):
    """Lets every sync stand still for a while."""
    over = threading.Event()

    def stall():
        while not over.is_set():
            control[:] = struct.pack("8Q", SYNCS, 1, FOR_EVER, STALLS, 0, 0, 0, 0)
            over.wait(STALL)
            control[LAST_CALL : LAST_CALL + 8] = bytes(8)
            # Until whoever stands still has looked.
            time.sleep(0.005)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
