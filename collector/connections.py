"""
How many connections a server has at once, and how long each may last.

A reader that says nothing, or a byte now and then, costs a thread for as long as it likes. So there is a limit on both:
what comes beyond the one is turned away, and what lasts beyond the other is cut, so that the places become free again.
"""

import math
import socket
import threading
import time
from contextlib import suppress

AT_ONCE = 16  # a guess: two Prometheus servers, an engine, the kubelet's probes, and four times as many again
LONGEST_SECONDS = 120.0  # a guess: longer than any reader waits for a page


class Connections:
    """The open connections of one server. For any thread."""

    def __init__(self, *, at_once: int = AT_ONCE, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._at_once = at_once
        self._longest_seconds = longest_seconds
        self._lock = threading.Lock()
        self._open: dict[socket.socket, tuple[socket.socket, float]] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Whether there is a place for it; if so it is taken until ``leave``."""
        with self._lock:
            if len(self._open) >= self._at_once:
                return False
            # A copy, since TLS takes the socket itself over; shutting one down shuts down the connection.
            self._open[connection] = connection.dup(), time.monotonic() + self._longest_seconds
            return True

    def leave(self, connection: socket.socket) -> None:
        """Give its place back. Harmless for one that has none."""
        with self._lock:
            copy, _ = self._open.pop(connection, (None, 0.0))
        if copy is not None:
            copy.close()

    def cut_overdue(self) -> None:
        """End those that have lasted too long; whoever serves them notices and leaves."""
        self._cut(time.monotonic())

    def cut_all(self) -> None:
        """End every one."""
        self._cut(math.inf)

    def _cut(self, now: float) -> None:
        with self._lock:
            for copy, due in self._open.values():
                if due <= now:
                    with suppress(OSError):  # the other side was faster
                        copy.shutdown(socket.SHUT_RDWR)
