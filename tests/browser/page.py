"""What a person sees on the page of a registry, in a real browser.

    python3 tests/browser/page.py BINARY [FOLDER FOR PICTURES]
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from browser import DEADLINE, GLANCE, Browser

EVIL = "<script>window.evil = 1</script><img src=x onerror='window.evil = 1'>"


class Registry:
    """The real binary, which keeps its addresses when it is started again."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.http, self.port = "127.0.0.1:0", "0"
        self.start()

    def start(self):
        started = time.monotonic()
        while not self._comes_up():
            # While it was away, somebody else, even a browser that looked for it, may have been
            # given one of its ports.
            assert "in use" in self._log() and time.monotonic() - started < DEADLINE, self._log()
            time.sleep(GLANCE)
        self.port = re.search(r"requests tcp://127\.0\.0\.1:(\d+)", self._ready).group(1)
        while not (found := re.search(r"http://([0-9.:]+)/", self._log())):
            assert time.monotonic() - started < DEADLINE, self._log()
            time.sleep(GLANCE)
        self.http = found.group(1)

    def _comes_up(self):
        with open(os.path.join(self.folder, "log"), "w") as errors:
            self.process = subprocess.Popen(
                [self.binary, "start", "--http", self.http, "--req-port", self.port,
                 "--pub-port", "0", "--hb-port", "0", "--cleanup-interval", "3600"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                text=True)
        self._ready = self.process.stdout.readline()
        if not self._ready:
            self.kill()
        return self._ready

    def _log(self):
        with open(os.path.join(self.folder, "log")) as log:
            return log.read()

    def run(self, *arguments):
        subprocess.run([self.binary, arguments[0], "--req-port", self.port, *arguments[1:]],
                       cwd=self.folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=DEADLINE)

    def register(self, name, kind, host="127.0.0.1", port=40000, ttl=600):
        self.run("register", "--name", name, "--id", name.replace(" ", "-"), "--type", kind,
                 "--host", host, "--port", str(port), "--ttl", str(ttl),
                 "--allow-duplicate-service-type")

    def stop(self):
        self.run("stop")
        assert self.process.wait(DEADLINE) == 0
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def row(name):
    """An expression for the row of a service."""
    return (f"[...document.querySelectorAll('.service')].find((row) => "
            f"row.querySelector('.name').textContent === {json.dumps(name)})")


ROWS = "document.querySelectorAll('.service').length"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def a_service_comes_changes_and_goes(registry, browser):
    registry.register("Camera", "CAM")
    browser.wait_until(f"{row('Camera')}?.querySelector('.health').textContent === '● passing'")
    browser.wait_until("document.getElementById('events').textContent.includes('registered')")
    registry.register("Camera", "CAM", ttl=1)
    browser.wait_until(f"{row('Camera')}?.querySelector('.health').textContent === '▲ critical'")
    browser.wait_until("document.getElementById('summary').textContent.includes('1 critical')")
    browser.wait_until(f"{row('Camera')}.querySelector('.bar').style.width === '100%'")
    registry.run("deregister", "Camera")
    browser.wait_until(f"{row('Camera')} === undefined")
    browser.wait_until("document.getElementById('events').textContent.includes('deregistered')")


def what_a_service_says_is_text(registry, browser):
    registry.run("register", "--name", EVIL, "--id", "evil", "--type", EVIL, "--port", "1",
                 "--host", "127.0.0.1", "--metadata", f"evil={EVIL}")
    browser.wait_until(f"{row(EVIL)} !== undefined")
    browser.evaluate(f"{row(EVIL)}.click()")
    browser.wait_until("document.getElementById('facts').textContent.includes('onerror')")
    browser.press("Escape")
    browser.wait_until("!document.getElementById('inspection').open")
    assert browser.evaluate("document.scripts.length") == 1
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("window.evil") is None
    registry.run("deregister", "evil")
    browser.wait_until(f"{row(EVIL)} === undefined")


def a_crowd_registers(registry, browser):
    for number, (name, kind, host) in enumerate([
            ("Power supply A", "PSU", "lab-pc-1"), ("Power supply B", "PSU", "lab-pc-1"),
            ("Thermal control", "TCS", "lab-pc-1"), ("Hexapod", "HEXAPOD", "lab-pc-2"),
            ("Filter wheel", "FW", "lab-pc-2"), ("Camera 1", "CAM", "camera-host"),
            ("Camera 2", "CAM", "camera-host"), ("Camera 10", "CAM", "camera-host")]):
        registry.register(name, kind, host, 40000 + number, 120 if number % 2 else 600)
    registry.register("Old heater", "TCS", "lab-pc-2", 40099, 2)
    browser.wait_until(f"{ROWS} === 9")
    browser.wait_until("document.querySelectorAll('.health.bad').length === 1")
    heads = "[...document.querySelectorAll('h3')].map((head) => head.textContent).join()"
    assert browser.evaluate(heads) == "camera-host,lab-pc-1,lab-pc-2"


def it_works_by_keyboard(_, browser):
    browser.press("/")
    assert browser.evaluate("document.activeElement.id") == "filter"
    browser.type("psu lab")
    browser.wait_until(f"{ROWS} === 2")
    browser.press("ArrowDown")
    browser.press("ArrowDown")
    focused = "document.activeElement.querySelector('.name')?.textContent"
    assert browser.evaluate(focused) == "Power supply B"
    browser.press("Enter")
    browser.wait_until("document.getElementById('inspection').open")
    facts = json.loads(browser.evaluate("document.getElementById('facts').textContent"))
    assert facts["id"] == "Power-supply-B", facts
    browser.press("Escape")
    browser.wait_until("!document.getElementById('inspection').open")
    # The page goes on asking, and the focus stays.
    shown = browser.evaluate("document.getElementById('link').textContent")
    browser.wait_until(f"document.getElementById('link').textContent !== {json.dumps(shown)}")
    assert browser.evaluate(focused) == "Power supply B"
    browser.press("Escape")
    browser.wait_until(f"{ROWS} === 9")


def services_are_grouped_by_what_is_asked(_, browser):
    choose = ("const list = document.getElementById('grouping'); list.value = '%s';"
              "list.dispatchEvent(new Event('change'));")
    browser.evaluate("{" + choose % "type" + "}")
    heads = "[...document.querySelectorAll('h3')].map((head) => head.textContent).join()"
    assert browser.evaluate(heads) == "CAM,FW,HEXAPOD,PSU,TCS"
    names = "[...document.querySelectorAll('.name')].slice(0, 3).map((n) => n.textContent).join()"
    assert browser.evaluate(names) == "Camera 1,Camera 2,Camera 10"
    browser.evaluate("{" + choose % "host" + "}")


def it_fits_every_screen(registry, browser, folder):
    for name, width, height, phone, dark in [
            ("desktop", 1280, 800, False, False), ("desktop-dark", 1280, 800, False, True),
            ("phone", 390, 844, True, False), ("phone-dark", 320, 640, True, True)]:
        browser.screen(width, height, phone, dark)
        browser.wait_until(f"window.innerWidth === {width}")
        assert browser.evaluate(FITS), f"{name} is wider than its screen"
        if folder:
            browser.picture(os.path.join(folder, f"{name}.png"))
    long = "name" * 50
    registry.register(long, "TYPE" * 50, "host." * 40 + "org")
    browser.wait_until(f"{row(long)} !== undefined")
    assert browser.evaluate(FITS), "a long name is wider than the screen"
    assert browser.evaluate(f"{row(long)}.querySelector('.name').clientWidth > 80")
    registry.run("deregister", long)
    browser.wait_until(f"{row(long)} === undefined")
    browser.screen(1280, 800)


def a_registry_that_is_gone_is_told_of_until_it_is_back(registry, browser):
    registry.stop()
    browser.wait_until("!document.getElementById('alarm').hidden")
    assert browser.evaluate(ROWS) == 9, "what was known is still shown"
    registry.start()
    browser.wait_until("document.getElementById('alarm').hidden")
    registry.register("Newcomer", "NEW")
    browser.wait_until(f"{row('Newcomer')} !== undefined")
    browser.wait_until("document.getElementById('events').textContent.includes('Newcomer')")


def prometheus_understands_the_metrics(registry):
    text = urllib.request.urlopen(f"http://{registry.http}/metrics", timeout=DEADLINE).read()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                             timeout=DEADLINE)
    assert checked.returncode == 0, checked.stderr.decode() + checked.stdout.decode()
    assert not checked.stderr.strip(), checked.stderr.decode()


def main(binary, folder=None):
    if folder:
        os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="service-registry-page-") as own:
        registry = Registry(binary, own)
        browser = None
        try:
            prometheus_understands_the_metrics(registry)
            browser = Browser()
            browser.screen(1280, 800)
            browser.open(f"http://{registry.http}/")
            browser.wait_until("document.getElementById('link')?.textContent.startsWith('as of')")
            browser.evaluate("window.sameDocument = true")
            for step in (a_service_comes_changes_and_goes, what_a_service_says_is_text,
                         a_crowd_registers, it_works_by_keyboard,
                         services_are_grouped_by_what_is_asked):
                step(registry, browser)
                print(f"ok: {step.__name__.replace('_', ' ')}", flush=True)
            it_fits_every_screen(registry, browser, folder)
            print("ok: it fits every screen", flush=True)
            assert browser.complaints == [], browser.complaints
            a_registry_that_is_gone_is_told_of_until_it_is_back(registry, browser)
            print("ok: a registry that is gone is told of until it is back", flush=True)
            assert browser.evaluate("window.sameDocument") is True, "it was loaded once"
            prometheus_understands_the_metrics(registry)
            print("ok: prometheus understands the metrics", flush=True)
            registry.stop()
        finally:
            if browser:
                browser.close()
            registry.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
