"""How many requests are answered in a second, as a ratio to what is possible."""

import time
from statistics import quantiles

from client import ask, connected, wait_for_services
from report import AtLeast, AtMost
from stand import median
from storms import store

ACTIONS = ("discover", "get", "health", "renew", "heartbeat")
SHAPES = (
    # clients, requests in flight of each, the part of the echo's rate that is the target
    (8, 1, 0.90),
    (32, 1, 0.90),
    (8, 32, 0.80),
)

TURNS = 4
"""How often the two that are compared take turns in a round. The system places their threads anew
each time, which makes more of a difference than either does: many short turns tell more than a few
long ones."""

WARM_UP = 0.1

FEW_SERVICES, LISTED_SERVICES, MANY_SERVICES = 100, 10_000, 1_000_000

MILLION_ROUNDS_MAX = 3
"""It takes half a minute to register a million services and to deregister them."""


def measure(stand, report):
    for action in ACTIONS:
        for clients, in_flight, part in SHAPES:
            compare_with_echo(stand, report, action, clients, in_flight, part)
    reads_of_python(stand, report)
    register(stand, report)
    register_one_by_one(stand, report)
    lists(stand, report)
    many_services(stand, report)


def compare_with_echo(stand, report, action, clients, in_flight, part):
    shape = {"clients": clients, "in_flight": in_flight, "services": FEW_SERVICES}
    with stand.ours() as ours:
        # Also tells how large the answers are.
        size = round(stand.bench(ours, action, 0.2, **shape)["reply_bytes"])
        with stand.echo(size) as echo:
            pairs = [
                short_turns(stand, (ours, echo), action, number, **shape)
                for number in range(TURNS * stand.rounds)
            ]
    mine, echoed = medians(pairs)
    ratios = [mine / other for mine, other in pairs]
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    report.add(
        f"`{action}`, {clients} x {in_flight}, to the echo",
        median(ratios),
        "",
        AtLeast(part),
        f"{mine:,.0f}/s, the echo {echoed:,.0f}/s with {size} bytes; half of the turns "
        f"{low:.2f} to {high:.2f}",
    )


def short_turns(stand, servers, action, number, **shape):
    """The rates of both, the one first and then the other by turns."""
    order = (0, 1) if number % 2 == 0 else (1, 0)
    rates = {
        place: stand.bench(
            servers[place], action, stand.seconds / TURNS, warm_up=WARM_UP, **shape
        )["rate"]
        for place in order
    }
    return rates[0], rates[1]


def reads_of_python(stand, report):
    """Not asked for; tells what changes for those who come from there."""
    shape = {"clients": 8, "in_flight": 1, "services": FEW_SERVICES}
    with stand.ours() as ours, stand.python() as python:
        for action in ACTIONS:
            pairs = [
                tuple(stand.bench(server, action, **shape)["rate"] for server in (ours, python))
                for _ in range(stand.rounds)
            ]
            mine, other = medians(pairs)
            ratio = median(mine / other for mine, other in pairs)
            note = f"{mine:,.0f}/s, Python {other:,.0f}/s"
            report.add(f"`{action}`, 8 x 1, to the Python registry", ratio, "", None, note)


def register(stand, report):
    shape = {"clients": 8, "in_flight": 32, "services": 1_000}
    rounds = []
    with stand.python() as python:
        for _ in range(stand.rounds):
            with stand.ours() as ours:
                mine, batch = registrations(stand, ours, shape)
            alone = stand.sqlite_rows_per_second(batch)
            other = stand.bench(python, "register", **shape)["rate"]
            rounds.append((mine, batch, alone, other))
    mine, batch, alone, other = medians(rounds)
    report.add(
        "durable `register`, 8 x 32, to SQLite alone",
        median(mine / alone for mine, _, alone, _ in rounds),
        "",
        AtLeast(0.6),
        f"{mine:,.0f}/s, SQLite {alone:,.0f} rows/s in transactions of {batch:.0f}, as ours were",
    )
    report.add(
        "the same, to the Python registry",
        median(mine / other for mine, _, _, other in rounds),
        "",
        AtLeast(150),
        f"{mine:,.0f}/s, Python {other:,.0f}/s",
    )


def register_one_by_one(stand, report):
    shape = {"clients": 1, "in_flight": 1, "services": 1_000}
    pairs = []
    for _ in range(stand.rounds):
        with stand.ours() as ours:
            mine = stand.bench(ours, "register", **shape)["rate"]
        pairs.append((mine, stand.sqlite_rows_per_second(1)))
    mine, alone = medians(pairs)
    report.add(
        "durable `register`, 1 x 1, to SQLite alone",
        median(mine / alone for mine, alone in pairs),
        "",
        AtLeast(0.8),
        f"{mine:,.0f}/s, SQLite {alone:,.0f} rows/s, one in a transaction",
    )


def registrations(stand, ours, shape):
    """The rate, and how many shared a transaction in the mean."""
    with stand.benching(ours, "register", **shape) as finish, connected(ours.requests) as socket:
        wait_for_services(ours, shape["services"])
        before = totals(socket)
        time.sleep(stand.seconds)
        after = totals(socket)
        rate = finish()[-1]["rate"]
    registered, committed = (
        after[name] - before[name] for name in ("registrations", "commits")
    )
    return rate, max(1, round(registered / max(1, committed)))


def totals(socket):
    return ask(socket, action="info")["totals"]


def lists(stand, report):
    listing = {"clients": 1, "in_flight": 1, "services": 0}
    asking = {"clients": 4, "in_flight": 1, "services": 0, "rate": 500, "warm_up": 0.5}
    pairs, waits = [], []
    with stand.folder() as folder:
        # The Python registry takes many minutes to register so many.
        mine, other = (with_services(stand, folder / name) for name in ("ours.db", "python.db"))
        with stand.ours(mine) as ours, stand.python(other) as python:
            for _ in range(stand.rounds):
                with stand.benching(ours, "list", stand.seconds + 2, **listing) as finish:
                    waits.append(stand.bench(ours, "health", **asking))
                    mine = finish()[-1]["rate"]
                pairs.append((mine, stand.bench(python, "list", **listing)["rate"]))
    mine, other = medians(pairs)
    report.add(
        f"`list` of {LISTED_SERVICES:,} services, to the Python registry",
        median(mine / other for mine, other in pairs),
        "",
        AtLeast(20),
        f"{mine:,.1f}/s while others ask, Python {other:,.2f}/s",
    )
    longest = max(wait["max_us"] for wait in waits) / 1000
    note = f"p99 {median(wait['p99_us'] for wait in waits) / 1000:.1f} ms"
    report.add("longest wait of others beside it", longest, "ms", AtMost(20), note)


def with_services(stand, database):
    """A database in which there are many, all of them passing."""
    with stand.ours(database):
        pass
    store(database, LISTED_SERVICES, ttl=86_400)
    return database


def many_services(stand, report):
    load = {"clients": 8, "in_flight": 1}
    actions = ("discover", "get")
    rounds = []
    with stand.ours() as small, stand.ours() as large:
        for number in range(min(stand.rounds, MILLION_ROUNDS_MAX)):
            report.progress(f"{MANY_SERVICES:,} services, round {number + 1}")
            rounds.append(
                [
                    rates_of(stand, server, actions, services=services, **load)
                    for server, services in ((large, MANY_SERVICES), (small, FEW_SERVICES))
                ]
            )
    for action in actions:
        pairs = [(many[action], few[action]) for many, few in rounds]
        many, few = medians(pairs)
        report.add(
            f"`{action}` with {MANY_SERVICES:,} services, to {FEW_SERVICES}",
            median(many / few for many, few in pairs),
            "",
            AtLeast(0.90),
            f"{many:,.0f}/s and {few:,.0f}/s",
        )


def rates_of(stand, server, actions, **load):
    results = stand.bench_all(server, ",".join(actions), **load)
    return {result["action"]: result["rate"] for result in results}


def medians(rounds):
    """Of each of the things that were measured in every round."""
    return [median(values) for values in zip(*rounds)]
