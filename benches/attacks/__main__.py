"""How long polite clients wait while others attack: see `scripts/attacks`."""

import argparse
import contextlib
import json
import multiprocessing
import pathlib
import re
import subprocess
import tempfile
import time

import peers

SERVICES = 10_000
ACTIONS = ["discover", "renew", "register"]

# What counts as a disturbance: so many times what it was.
FACTOR_MAX = 3
MEMORY_MAX_MIB = 256


class Registry:
    """A registry on a file, with services, in a folder of its own."""

    def __init__(self, program, folder, limits):
        start = [program, "start", "--db-path", f"{folder}/registry.db", "--log-level", "warn"]
        start += [f"--limits={limits}"] if limits else []
        start += ["--req-port=0", "--pub-port=0", "--hb-port=0"]
        log = open(f"{folder}/log", "w")
        self.process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=log, text=True)
        ready = self.process.stdout.readline()
        self.ports = [int(port) for port in re.findall(r"tcp://[^,\s]*:(\d+)", ready)]
        self.register_services()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def register_services(self):
        connection = peers.shake_hands(self.ports[0], "DEALER")
        connection.settimeout(60)
        for number in range(SERVICES):
            service = {"id": f"attacked-{number}", "name": "attacked", "host": "h", "port": 1}
            register = {"action": "register", "service_info": service, "ttl": 3_600}
            connection.sendall(peers.request(json.dumps(register).encode()))
            # `RESPONSE` in a frame, and the answer in another one of less than 256 bytes.
            head = peers.read(connection, 12)
            peers.read(connection, head[11])
        connection.close()

    def mebibytes(self, key):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+)", status)[1]) // 1_024


class Echo:
    """ZeroMQ alone, in a process that answers everything with the same body."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "300"], stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        requests, heartbeats = (int(port) for port in re.findall(r"\d+", ready))
        self.ports = [requests, heartbeats, heartbeats]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def under(attack, ports):
    """Somebody attacks these ports meanwhile."""
    if not attack:
        yield
        return
    attacker = multiprocessing.Process(target=attack, args=(ports,), daemon=True)
    attacker.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        attacker.kill()
        attacker.join()


def p99_ms(program, ports, actions, seconds):
    bench = [program, "bench", "--json", "--allow-foreign", "--rate=400", f"--seconds={seconds}"]
    bench += ["--host=127.0.0.1", f"--req-port={ports[0]}", f"--hb-port={ports[2]}"]
    bench += [f"--actions={','.join(actions)}", "--timeout=10"]
    output = subprocess.run(bench, capture_output=True, text=True).stdout
    results = json.loads(output).get("results", [])
    return {result["action"]: (result["p99_us"] or 0) / 1_000 for result in results}


def measure(program, attack, limits, seconds):
    with (
        tempfile.TemporaryDirectory() as folder,
        Registry(program, folder, limits) as registry,
    ):
        with under(attack, registry.ports):
            waits = p99_ms(program, registry.ports, ACTIONS, seconds)
            highest = registry.mebibytes("VmHWM")
        time.sleep(1)
        return waits, highest, registry.mebibytes("VmRSS")


def measure_echo(program, echo, attack, seconds):
    """None where it would only take memory without end, or is not attacked at all."""
    if attack in peers.NOT_ON_ECHO:
        return None
    with Echo(echo) as yardstick, under(attack, yardstick.ports):
        return p99_ms(program, yardstick.ports, ["get"], seconds).get("get")


def main():
    parser = argparse.ArgumentParser(prog="scripts/attacks")
    parser.add_argument("--program", required=True)
    parser.add_argument("--echo", required=True)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="a part of their names")
    parser.add_argument("--limits", default="", help="of the registry, as for its flag")
    arguments = parser.parse_args()

    print("p99 in ms; memory in MiB, at the most and a second behind the attack")
    print("| attack | " + " | ".join(ACTIONS) + " | ZeroMQ alone | memory | left |")
    print("|---|" + "---|" * (len(ACTIONS) + 3))
    quiet = None
    for name, attack in peers.ATTACKS.items():
        if attack and arguments.only not in name:
            continue
        seconds = arguments.seconds
        waits, highest, left = measure(arguments.program, attack, arguments.limits, seconds)
        echo = measure_echo(arguments.program, arguments.echo, attack, seconds)
        quiet = quiet or waits
        cells = []
        for action in ACTIONS:
            wait = waits.get(action)
            text = "unanswered" if wait is None else f"{wait:.2g}"
            is_fine = wait is not None and wait <= FACTOR_MAX * quiet[action]
            cells.append(text if is_fine else f"**{text}**")
        cells.append("-" if echo is None else f"{echo:.2g}")
        memory = f"{highest}" if highest < MEMORY_MAX_MIB else f"**{highest}**"
        print(f"| {name} | {' | '.join(cells)} | {memory} | {left} |", flush=True)


if __name__ == "__main__":
    main()
