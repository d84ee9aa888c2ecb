"""A way to a member of etcd that can be cut: nothing passes any more, and nobody is told."""

import selectors
import socket
import threading
from urllib.parse import urlsplit

CHUNK = 1 << 16
GLANCE = 0.05
"""Seconds from one look at whether it was cut, or closed, to the next."""


class Proxy:
    """Passes on what comes in, both ways, in a thread of its own."""

    def __init__(self, url):
        upstream = urlsplit(url)
        self._upstream = (upstream.hostname, upstream.port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._is_cut = threading.Event()
        self._is_over = threading.Event()
        self._others = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        """From now on everything is lost, also on connections that are there."""
        self._is_cut.set()

    def mend(self):
        """From now on what comes is passed on. The connections from before are closed."""
        self._is_cut.clear()

    def close(self):
        self._is_over.set()
        self._thread.join()

    def _run(self):
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._door, selectors.EVENT_READ)
            was_cut = False
            while not self._is_over.is_set():
                is_cut = self._is_cut.is_set()
                if was_cut and not is_cut:
                    # Something is missing on them.
                    for end in list(self._others):
                        self._hang_up(end)
                was_cut = is_cut
                for key, _ in self._selector.select(GLANCE):
                    if key.fileobj is self._door:
                        self._accept()
                    elif key.fileobj in self._others:
                        self._pass_on(key.fileobj, is_cut)
            for end in list(self._others):
                self._hang_up(end)
            self._door.close()

    def _accept(self):
        near, _ = self._door.accept()
        try:
            far = socket.create_connection(self._upstream, timeout=1)
        except OSError:
            near.close()
            return
        for end, other in ((near, far), (far, near)):
            self._others[end] = other
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end, is_cut):
        try:
            data = end.recv(CHUNK)
            if data and not is_cut:
                self._others[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._hang_up(end)

    def _hang_up(self, end):
        if end not in self._others:
            return
        for it in (end, self._others[end]):
            del self._others[it]
            self._selector.unregister(it)
            it.close()
