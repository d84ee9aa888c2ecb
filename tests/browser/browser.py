"""A headless Chromium, driven over its own pipe: no driver, no web socket, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

DEADLINE = 60.0
"""Seconds: for a browser that starts for the first time on a busy machine."""

GLANCE = 0.05


class Browser:
    """One tab. What goes wrong in its page is kept in `complaints`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="service-registry-browser-")
        commands_read, self._commands = os.pipe()
        self._answers, answers_write = os.pipe()

        def hand_over():
            # Chromium reads from descriptor 3 and writes to 4. The copies keep clear of both.
            read, write = os.dup(commands_read), os.dup(answers_write)
            while read < 5:
                read = os.dup(read)
            while write < 5:
                write = os.dup(write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        flags = ["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-US",
                 f"--user-data-dir={self.folder}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        self._process = subprocess.Popen(
            ["chromium", *flags, "about:blank"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=hand_over, close_fds=False)
        os.close(commands_read)
        os.close(answers_write)
        self._buffer = b""
        self._number = 0
        self._session = None
        self.complaints = []
        try:
            self._open_tab()
        except BaseException:
            self.close()
            raise

    def _open_tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _next(self):
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], DEADLINE)[0]:
                raise AssertionError(f"the browser has said nothing for {DEADLINE} s")
            received = os.read(self._answers, 1 << 16)
            if not received:
                raise AssertionError("the browser has ended")
            self._buffer += received
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"])
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_until(self, expression):
        """Waits until the expression is true in the page; fails with what it shows instead."""
        started = time.monotonic()
        while not self.evaluate(expression):
            if time.monotonic() - started > DEADLINE:
                shown = self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {expression}\nThe page shows:\n{shown}")
            time.sleep(GLANCE)

    def press(self, key):
        code = {"ArrowDown": 40, "ArrowUp": 38, "Enter": 13, "Escape": 27, "/": 191, "Tab": 9}[key]
        text = {"Enter": "\r", "/": "/"}.get(key, "")
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def screen(self, width, height, phone=False, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        # What belongs to it may still be ending.
        shutil.rmtree(self.folder, ignore_errors=True)
