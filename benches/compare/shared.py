"""What it costs to share the list: registries on etcd beside one on SQLite, and etcd itself.

Only where it is asked for, since it takes etcd (Debian: etcd-server).
"""

import contextlib
import json
import sys
from pathlib import Path

from stand import median

sys.path.append(str(Path(__file__).parents[2] / "tests" / "cluster"))
from cluster import Member, choose_free_ports  # noqa: E402

SERVICES = 100
LOADS = (
    # action, clients, requests in flight of each
    ("register", 1, 1),
    ("register", 8, 32),
    ("discover", 8, 1),
    ("renew", 8, 1),
)
MEMBERS = {"one member": 1, "three members": 3}
DIRECT_CLIENTS = (1, 8)


def measure(stand, report):
    results = {}

    def note(what, *figures):
        results.setdefault(what, []).append(figures)

    with contextlib.ExitStack() as stack:
        registries, etcds = {"SQLite": stack.enter_context(stand.ours())}, {}
        for name, count in MEMBERS.items():
            members = stack.enter_context(etcd(stand, count))
            settings = json.dumps({"endpoints": [it.url for it in members], "name": "compared"})
            options = ("--backend=etcd", f"--etcd={settings}")
            registries[name] = stack.enter_context(stand.ours(options=options))
            # What all others pass on to it takes longer.
            etcds[name] = next(it for it in members if it.is_leader())
        for number in range(stand.rounds):
            report.progress(f"round {number + 1} of {stand.rounds}")
            for action, clients, in_flight in LOADS:
                shape = {"clients": clients, "in_flight": in_flight, "services": SERVICES}
                for name, registry in registries.items():
                    it = stand.bench(registry, action, **shape)
                    what = f"`{action}`, {clients} x {in_flight}, {name}"
                    note(what, it["rate"], it["p50_us"], it["p99_us"])
            for clients in DIRECT_CLIENTS:
                for name, member in etcds.items():
                    for it in stand.etcd_alone(member.url, clients):
                        what = f"etcd itself: {it['action']}, {clients} x 1, {name}"
                        note(what, it["rate"], it["p50_us"], it["p99_us"])
    for what, rounds in results.items():
        rate, p50, p99 = (median(figures) for figures in zip(*rounds))
        in_figures = f"p50 {p50 / 1000:.2f} ms, p99 {p99 / 1000:.2f} ms"
        report.add(what, rate, "/s", None, in_figures)


@contextlib.contextmanager
def etcd(stand, count):
    """So many members of one etcd, on the disk that the build is on."""
    with stand.folder() as folder, contextlib.ExitStack() as stack:
        ports = choose_free_ports()[:count]
        members = [Member(number, ports, folder) for number in range(1, count + 1)]
        for member in members:
            stack.callback(member.kill)
            member.start()
        for member in members:
            member.wait_until_ready()
        yield members
