"""How many requests are answered in a second, as a ratio to what is possible."""

from report import AtLeast, AtMost
from stand import median

ACTIONS = ("discover", "get", "health", "renew", "heartbeat")
SHAPES = (
    # clients, requests in flight of each, the part of the echo's rate that is the target
    (8, 1, 0.90),
    (32, 1, 0.90),
    (8, 32, 0.80),
)
MANY_SERVICES = 1_000_000


def measure(stand, report):
    python = python_rates(stand, report)
    for action in ACTIONS:
        for clients, in_flight, part in SHAPES:
            compare_with_echo(stand, report, action, clients, in_flight, part, python)
    register(stand, report, python)
    many_services(stand, report)
    lists(stand, report)


def python_rates(stand, report):
    report.progress("the Python registry")
    with stand.python() as server:
        actions = ",".join([*ACTIONS, "register"])
        results = stand.bench_all(server, actions, clients=8, in_flight=1, services=100)
    return {result["action"]: result["rate"] for result in results}


def compare_with_echo(stand, report, action, clients, in_flight, part, python):
    shape = {"clients": clients, "in_flight": in_flight, "services": 100}
    with stand.ours() as ours:
        # Also tells how large the answers are.
        size = round(stand.bench(ours, action, 0.2, **shape)["reply_bytes"])
        with stand.echo(size) as echo:
            pairs = [
                (
                    stand.bench(ours, action, **shape)["rate"],
                    stand.bench(echo, action, **shape)["rate"],
                )
                for _ in range(stand.rounds)
            ]
    rate = median(mine for mine, _ in pairs)
    note = f"{rate:,.0f}/s, the echo {median(other for _, other in pairs):,.0f}/s"
    if (clients, in_flight) == (8, 1):
        note += f", Python {python[action]:,.0f}/s"
    report.add(
        f"`{action}`, {clients} x {in_flight}, to the echo",
        median(mine / other for mine, other in pairs),
        "",
        AtLeast(part),
        note,
    )


def register(stand, report, python):
    for clients, in_flight, batch, part in ((8, 32, 256, 0.6), (1, 1, 1, 0.8)):
        pairs = []
        for _ in range(stand.rounds):
            with stand.ours() as ours:
                shape = {"clients": clients, "in_flight": in_flight, "services": 1000}
                mine = stand.bench(ours, "register", **shape)["rate"]
            pairs.append((mine, stand.sqlite_rows_per_second(batch)))
        rate = median(mine for mine, _ in pairs)
        report.add(
            f"durable `register`, {clients} x {in_flight}, to SQLite alone",
            median(mine / alone for mine, alone in pairs),
            "",
            AtLeast(part),
            f"{rate:,.0f}/s, SQLite {median(alone for _, alone in pairs):,.0f} rows/s "
            f"in transactions of {batch}",
        )
        if batch > 1:
            other = python["register"]
            note = f"Python {other:,.0f}/s at 8 x 1"
            report.add("the same, to the Python registry", rate / other, "", AtLeast(150), note)


def many_services(stand, report):
    """A million services against a hundred. It takes too long to register them to take turns, so
    each is measured once, for as long as all rounds would take."""
    load = {"clients": 8, "in_flight": 1, "seconds": stand.rounds * stand.seconds}
    rates = {}
    for services in (100, MANY_SERVICES):
        report.progress(f"{services:,} services")
        with stand.ours() as ours:
            for result in stand.bench_all(ours, "discover,get", services=services, **load):
                rates[result["action"], services] = result["rate"]
    for action in ("discover", "get"):
        few, many = (rates[action, services] for services in (100, MANY_SERVICES))
        report.add(
            f"`{action}` with {MANY_SERVICES:,} services, to 100",
            many / few,
            "",
            AtLeast(0.90),
            f"{many:,.0f}/s and {few:,.0f}/s",
        )


def lists(stand, report):
    shape = {"clients": 1, "in_flight": 1, "services": 10_000}
    with stand.ours() as ours:
        mine = stand.bench(ours, "list", **shape)["rate"]
        with stand.benching(ours, "list", stand.seconds + 2, **shape) as finish:
            others = stand.bench(ours, "health", rate=200, clients=4, warm_up=1)
            finish()
    with stand.python() as python:
        other = stand.bench(python, "list", **shape)["rate"]
    note = f"{mine:,.1f}/s, Python {other:,.2f}/s"
    report.add("`list` of 10,000 services, to Python", mine / other, "", AtLeast(20), note)
    note = f"p99 {others['p99_us'] / 1000:.1f} ms"
    report.add("longest wait beside it", others["max_us"] / 1000, "ms", AtMost(20), note)
