"""What `doctor` tells on one host of a registry on another, with firewalls in between.

    unshare --net python3 tests/firewall/firewall.py BINARY

The namespace in which this runs is the one host; the registry runs in another, at the far end of a
cable.
"""

import json
import subprocess
import sys
import tempfile

DEADLINE = 60
"""Seconds, of a busy machine."""

PATIENCE = "1"
"""Seconds for which `doctor` waits for an answer that a firewall drops."""

HERE, THERE, NOBODY = "192.0.2.1", "192.0.2.2", "192.0.2.3"
"""Addresses for documentation: nobody else has them."""

PORTS = {"request port": 6100, "event port": 6101, "heartbeat port": 6102}


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)


class Registry:
    """The real binary on a host of its own, with a cable to this one."""

    def __init__(self, binary, folder):
        self._process = subprocess.Popen(
            ["unshare", "--net", binary, "start", "--bind", "*", "--backend", "memory"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        ready = self._process.stdout.readline()
        assert "ready" in ready, f"the registry has not started: {ready!r}"

    def lay_cable(self):
        run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there",
            "netns", str(self._process.pid))
        run("ip", "address", "add", f"{HERE}/24", "dev", "here")
        run("ip", "link", "set", "here", "up")
        self.run("ip", "address", "add", f"{THERE}/24", "dev", "there")
        self.run("ip", "link", "set", "there", "up")

    def run(self, *command):
        """Runs a command on its host."""
        run("nsenter", "--net", "--target", str(self._process.pid), *command)

    def end(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


class Firewall:
    """One rule on one host, which `run` runs commands on, while it stands."""

    def __init__(self, run, hook, rule):
        self._run, self._hook, self._rule = run, hook, rule

    def __enter__(self):
        self._run("nft", "add table inet doctor; "
                  f"add chain inet doctor rules {{ type filter hook {self._hook} priority 0; }}; "
                  f"add rule inet doctor rules {self._rule}")

    def __exit__(self, *_):
        self._run("nft", "delete table inet doctor")


def findings(binary, host):
    told = subprocess.run([binary, "doctor", "--host", host, "--timeout", PATIENCE, "--json"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=DEADLINE)
    reply = json.loads(told.stdout)
    assert (told.returncode == 1) == (reply["problems"] > 0), told
    return {finding["check"]: finding for finding in reply["findings"]}


def expect_closed(binary, check, words, remedy):
    """This port is a problem, whose finding names it and what to do, and no port before it is."""
    found = findings(binary, THERE)
    port = found[check]
    assert port["verdict"] == "problem", found
    assert f"{THERE}:{PORTS[check]}" in port["found"] and words in port["found"], port
    assert all(word in port["remedy"] for word in remedy), port
    others = [name for name in PORTS if name in found and name != check]
    assert all(found[name]["verdict"] == "ok" for name in others), found
    print(f"ok: {check}: {port['found']}", flush=True)


def main(binary):
    with tempfile.TemporaryDirectory(prefix="service-registry-firewall-") as folder:
        registry = Registry(binary, folder)
        try:
            registry.lay_cable()
            open_ports = findings(binary, THERE)
            assert all(open_ports[name]["verdict"] == "ok" for name in PORTS), open_ports
            print("ok: no firewall", flush=True)
            for check, number in PORTS.items():
                with Firewall(registry.run, "input", f"tcp dport {number} drop"):
                    expect_closed(binary, check, "does not answer",
                                  ["firewall", "this TCP port", "nft list ruleset", "both hosts"])
            with Firewall(registry.run, "input", "tcp dport 6101 reject"):
                expect_closed(binary, "event port", "refuses", ["firewall", "--bind"])
            with Firewall(registry.run, "input",
                          "tcp dport 6102 reject with icmp type admin-prohibited"):
                expect_closed(binary, "heartbeat port", "no way", ["firewall"])
            with Firewall(run, "output", "tcp dport 6102 drop"):
                expect_closed(binary, "heartbeat port", "does not answer",
                              ["firewall", "nft list ruleset", "both hosts"])
            run("ip", "rule", "add", "to", THERE, "ipproto", "tcp", "dport", "6102", "prohibit")
            expect_closed(binary, "heartbeat port", "does not let us", ["ip rule"])
            # Nobody has this address: the host is off, or its cable is out.
            off = findings(binary, NOBODY)["request port"]
            assert off["verdict"] == "problem" and f"{NOBODY}:6100" in off["found"], off
            print(f"ok: {off['found']}", flush=True)
        finally:
            registry.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
