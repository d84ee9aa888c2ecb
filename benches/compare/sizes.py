"""How large etcd and a registry become with so many services that send heartbeats.

Only where it is asked for, since it takes etcd (Debian: etcd-server).
"""

import json
import subprocess
import time
import urllib.request
from pathlib import Path

from shared import etcd

COUNTS = (1_000, 10_000)
TTL, HEARTBEATS_PER_TTL = 30, 3
CLIENTS = 100
COUNTING = 20
"""Seconds for which the growth of etcd is watched."""

REGISTERING_MAX = 120
"""Seconds for all services to be registered."""

MEGABYTE = 1e6


def measure(stand, report):
    for count in COUNTS:
        with etcd(stand, 1) as (member,):
            settings = json.dumps({"endpoints": [member.url], "name": "measured"})
            options = ("--backend=etcd", f"--etcd={settings}")
            with stand.ours(options=options) as registry:
                measure_one(stand, report, count, member, registry)


def measure_one(stand, report, count, member, registry):
    rate = count * HEARTBEATS_PER_TTL // TTL
    load = {"clients": CLIENTS, "services": count, "rate": rate, "warm_up": 0}
    with stand.benching(registry, "heartbeat", COUNTING + 10, **load) as finish:
        wait_until_registered(stand, registry, count)
        began, before = time.monotonic(), database_bytes(member)
        time.sleep(COUNTING)
        growth = (database_bytes(member) - before) / (time.monotonic() - began)
        figures = {
            "etcd's database behind the registrations": before,
            "all files of a member": file_bytes(member),
            "resident memory of a member": resident_bytes(member.pid),
            "resident memory of the registry": registry.resident_bytes(),
        }
        finish()
    for what, value in figures.items():
        report.add(f"{what}, {count:,} services", value / MEGABYTE, "MB")
    what = f"growth of etcd's database, {rate:,} heartbeats a second"
    report.add(what, 3_600 * growth / MEGABYTE, "MB an hour")


def wait_until_registered(stand, registry, count):
    # Nothing else happens, so that the number of the last event is that of the services.
    command = [stand.binary, "health", "--json", f"--req-port={registry.requests}"]
    give_up_at = time.monotonic() + REGISTERING_MAX
    while time.monotonic() < give_up_at:
        told = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if told.returncode == 0 and json.loads(told.stdout)["seq"] >= count:
            return
        time.sleep(0.1)
    raise RuntimeError(f"{count:,} services were not registered within {REGISTERING_MAX} s")


def database_bytes(member):
    """What of its database is in use."""
    request = urllib.request.Request(f"{member.url}/v3/maintenance/status", data=b"{}")
    with urllib.request.urlopen(request, timeout=5) as reply:
        return int(json.load(reply)["dbSizeInUse"])


def file_bytes(member):
    files = (it for it in Path(member.data).rglob("*") if it.is_file())
    return sum(it.stat().st_size for it in files)


def resident_bytes(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(it for it in status.splitlines() if it.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
