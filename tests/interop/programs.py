"""Programs of ours that a test starts: the commands, the examples, and clients in Rust."""

import json
import signal
import subprocess
from pathlib import Path

from clients import endpoints
from waiting import DEADLINE, wait_until


class Program:
    """A running program, whose output can be looked at and whose input is a pipe."""

    def __init__(self, arguments, output):
        self._output = output
        with output.open("w") as file:
            self._process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def name(self):
        return self._output.stem

    def lines(self):
        """The lines that are complete."""
        return self._output.read_text(errors="replace").split("\n")[:-1]

    def wait_for_line(self, beginning):
        """Waits for a line that begins like this and returns what follows in it."""

        def find():
            return next((line for line in self.lines() if line.startswith(beginning)), None)

        return wait_until(find, f"{self._output.name} to say {beginning!r}")[len(beginning) :]

    def has_ended(self):
        return self._process.poll() is not None

    def wait_for_exit(self):
        """Waits for the end of the program and returns its exit code."""
        return self._process.wait(DEADLINE)

    def interrupt(self):
        """Presses Ctrl-C and returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait_for_exit()

    def terminate(self):
        """Asks it to stop, as a service manager does, and returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait_for_exit()

    def close_input(self):
        """Ends what the program can read. Returns its exit code: it ends, too."""
        self._process.stdin.close()
        return self.wait_for_exit()

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()


class Programs:
    """Starts programs that stand beside the binary, and ends what is left of them."""

    def __init__(self, binary, outputs):
        self._binary = Path(binary).resolve()
        self._outputs = outputs
        self.started = []

    def command(self, registry, name, *arguments):
        """Runs a command of the binary to its end, with a registry to ask."""
        return subprocess.run(
            self._command_line(registry, name, arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def json_of(self, registry, name, *arguments):
        """The one line of JSON that a command prints."""
        return json.loads(self.command(registry, name, "--json", *arguments).stdout)

    def start_command(self, registry, name, *arguments):
        """Lets a command of the binary run beside the test."""
        return self._start(name, self._command_line(registry, name, arguments))

    def start_example(self, name, registry, *arguments):
        """Starts a built example with a registry to talk to."""
        program = self._binary.parent / "examples" / name
        return self._start(name, [program, *example_endpoints(registry), *arguments])

    def close(self):
        for program in self.started:
            program.kill()

    def _command_line(self, registry, name, arguments):
        return [self._binary, name, f"--req-port={registry.ports.requests}", *arguments]

    def _start(self, name, arguments):
        output = self._outputs / f"{len(self.started) + 1}-{name}.txt"
        self.started.append(Program(arguments, output))
        return self.started[-1]


def example_endpoints(registry):
    named = endpoints(registry)
    return [named[f"registry_{socket}_endpoint"] for socket in ("req", "sub", "hb")]
