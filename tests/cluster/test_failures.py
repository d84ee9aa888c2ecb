"""Everything that a cluster may lose, lost in turn under 200 services with heartbeats.

After each failure: no registration that was acknowledged is lost, no living service has expired, no
type is held twice, the registries that were not touched answered all the time, their subscribers
missed nothing and heard nothing twice, and the lists of all registries are equal within 2 s.
"""

import logging
import os
import signal
import time
from contextlib import ExitStack

import pytest

from cluster import Cluster
from lab import TTL, Line, Reader, Rivals, Silence, Subscriber, Watcher, Writer, rust_fleet, wait_until
from python_fleet import AsynchronousFleet, synchronous_service

RUST_CLIENTS_EACH = 34
PYTHON_CLIENTS_EACH = 33

AGREEMENT = 2.0
"""Seconds in which all lists are equal, once everything is there again."""

SETTLED = 3 * TTL
"""Seconds by which heartbeats have gone out to whoever is there, and have been told on."""

log = logging.getLogger(__name__)


class Lab:
    """The cluster and all that lives in it."""

    def __init__(self, cluster, services, writer, rivals, subscribers, watcher):
        self.cluster = cluster
        self.services = services
        self.writer = writer
        self.rivals = rivals
        self.subscribers = subscribers
        self.watcher = watcher

    def check(self, touched=(), since=None):
        """What holds after each failure. `touched` are registries that were not there."""
        # What is acknowledged from now on may come after the lists.
        acknowledged = list(self.writer.acknowledged)
        self.expect_agreement()
        lists = self.lists()
        here = {service["id"] for service in lists[0]}
        lost = [it for it in acknowledged if it not in here]
        assert lost == [], "acknowledged registrations are there"
        assert [it for it in self.services if it not in here] == [], "living services are there"
        living = [service for service in lists[0] if service["id"] in self.services]
        late = [service["id"] for service in living if service["health"] != "passing"]
        assert late == [], "living services are passing"
        holders = [service["metadata"].get("type") for service in lists[0]]
        assert len(holders) == len(set(holders)), "each type is held once"
        assert self.rivals.both == []
        wait_until(lambda: here <= self.watcher.ids, "the watch to tell all that is there")
        assert (self.watcher.twice, self.watcher.removed) == ([], []), "each change is told once"
        for subscriber in self.subscribers:
            expired = [it for it in subscriber.expired() if it in self.services]
            assert expired == [], f"nobody living expires at {subscriber.registry.name}"
            numbers = [event[1] for event in subscriber.events]
            assert len(numbers) == len(set(numbers)), "nothing is told twice"
            if subscriber.registry not in touched:
                start = since[subscriber.registry.name] if since else 0
                assert subscriber.gaps(start) == [], f"{subscriber.registry.name} leaves no gap"

    def expect_agreement(self):
        """All lists are equal at one place of the sequence, soon enough."""
        started = time.monotonic()
        while True:
            replies = [Line(it).ask("list") for it in self.cluster.registries]
            lists = [content(reply) for reply in replies]
            if all(reply["seq"] == replies[0]["seq"] for reply in replies):
                assert all(it == lists[0] for it in lists), "equal numbers mean equal lists"
                log.info("the lists are equal after %.2f s", time.monotonic() - started)
                return
            assert time.monotonic() < started + AGREEMENT, [reply["seq"] for reply in replies]
            time.sleep(0.02)

    def lists(self):
        return [Line(it).ask("list")["services"] for it in self.cluster.registries]

    def marks(self):
        """Where each subscriber is now."""
        return {it.registry.name: max(0, len(it.events) - 1) for it in self.subscribers}

    def untouched(self, *touched):
        return [it for it in self.cluster.registries if it not in touched]


def content(reply):
    """What must be the same everywhere: heartbeats are told on twice a second."""
    volatile = ("last_heartbeat", "health")
    return [
        {key: value for key, value in service.items() if key not in volatile}
        for service in reply["services"]
    ]


def python_services(stack, registries):
    """Services of Python clients, every other one asynchronous, and the fleet of those."""
    services = [
        (registry, f"python-{registry.name}-{number}")
        for registry in registries
        for number in range(PYTHON_CLIENTS_EACH)
    ]
    for service in services[::2]:
        stack.enter_context(synchronous_service(*service))
    fleet = stack.enter_context(AsynchronousFleet(services[1::2]))
    return [service_id for _, service_id in services], fleet


@pytest.fixture(scope="module")
def lab(request, tmp_path_factory):
    binary = os.environ["CLUSTER_BINARY"]
    fleet = os.environ["CLUSTER_FLEET"]
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(binary, folder, with_proxies=True))
        registries = cluster.registries
        services = []
        for at, registry in enumerate(registries):
            order = registries[at:] + registries[:at]
            ids, _ = stack.enter_context(
                rust_fleet(fleet, f"rust-{at}", order, RUST_CLIENTS_EACH)
            )
            services += ids
        ids, asynchronous = python_services(stack, registries)
        services += ids
        assert len(services) > 200
        subscribers = [stack.enter_context(Subscriber(it)) for it in registries]
        writer = stack.enter_context(Writer(registries))
        rivals = stack.enter_context(Rivals(registries))
        watcher = stack.enter_context(Watcher(binary, cluster.hosts))
        lab = Lab(cluster, services, writer, rivals, subscribers, watcher)
        wait_until(
            lambda: set(services) <= {it["id"] for it in lab.lists()[0]},
            "all services to be registered",
            deadline=60,
        )
        time.sleep(TTL)
        lab.check()
        yield lab
        log.info("%d tasks of asynchronous clients ended", asynchronous.ended_tasks)
        assert rivals.won > 0 and writer.acknowledged


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_registry_is_killed_and_started_again(lab, number):
    registry = lab.cluster.registries[number]
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.untouched(registry)]
        registry.kill()
        time.sleep(TTL / 2)
        registry.start()
        registry.wait_until_ready()
        time.sleep(SETTLED)
    lab.check(touched=[registry], since=marks)
    assert [reader.silences for reader in readers] == [[], []]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_member_is_killed_and_started_again(lab, number):
    member = lab.cluster.members[number]
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.cluster.registries]
        member.kill()
        time.sleep(TTL)
        member.start()
        member.wait_until_ready()
        time.sleep(SETTLED)
    lab.check(since=marks)
    assert [reader.silences for reader in readers] == [[], [], []]


def test_a_member_and_the_registry_beside_it_are_killed_together(lab):
    member, registry = lab.cluster.members[0], lab.cluster.registries[0]
    marks = lab.marks()
    member.kill()
    registry.kill()
    time.sleep(TTL / 2)
    for process in (member, registry):
        process.start()
        process.wait_until_ready()
    time.sleep(SETTLED)
    lab.check(touched=[registry], since=marks)


def test_all_registries_are_killed_together(lab):
    registries = lab.cluster.registries
    for registry in registries:
        registry.kill()
    # Nobody can be heard for as long as that, which is no reason to expire.
    time.sleep(2 * TTL)
    for registry in registries:
        registry.start()
    for registry in registries:
        registry.wait_until_ready()
    time.sleep(SETTLED)
    lab.check(touched=registries)


def test_the_leader_and_a_registry_are_killed_together(lab):
    leader, registry = lab.cluster.leader(), lab.cluster.registries[2]
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.untouched(registry)]
        leader.kill()
        registry.kill()
        time.sleep(TTL)
        for process in (leader, registry):
            process.start()
            process.wait_until_ready()
        time.sleep(SETTLED)
    lab.check(touched=[registry], since=marks)
    assert [reader.silences for reader in readers] == [[], []]


def test_the_leader_stands_still_for_longer_than_the_ttl(lab):
    leader = lab.cluster.leader()
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.cluster.registries]
        leader.send(signal.SIGSTOP)
        time.sleep(2 * TTL)
        leader.send(signal.SIGCONT)
        leader.wait_until_ready()
        time.sleep(SETTLED)
    lab.check(since=marks)
    assert [reader.silences for reader in readers] == [[], [], []]


def test_a_registry_is_cut_off_from_etcd(lab):
    registry = lab.cluster.registries[1]
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.cluster.registries]
        for proxy in registry.proxies:
            proxy.cut()
        time.sleep(TTL)
        refused = Line(registry).register("refused", "REFUSED")
        told = Line(registry).ask("info")["cluster"]
        time.sleep(TTL)
        for proxy in registry.proxies:
            proxy.mend()
        time.sleep(SETTLED)
    assert (refused["success"], refused["code"]) == (False, "storage_failed")
    assert not told["in_contact"] and told["heard_seconds_ago"] >= 3
    lab.check(since=marks)
    assert [reader.silences for reader in readers] == [[], [], []]


def test_etcd_has_no_majority_for_a_while(lab):
    marks = lab.marks()
    with ExitStack() as stack:
        readers = [stack.enter_context(Reader(it)) for it in lab.cluster.registries]
        for member in lab.cluster.members[:2]:
            member.kill()
        time.sleep(TTL)
        for registry in lab.cluster.registries:
            try:
                assert not Line(registry).register("no-majority", "NO_MAJORITY")["success"]
            except Silence:
                pass
        for member in lab.cluster.members[:2]:
            member.start()
        for member in lab.cluster.members[:2]:
            member.wait_until_ready()
        time.sleep(SETTLED)
    lab.check(since=marks)
    assert [reader.silences for reader in readers] == [[], [], []]
