"""
How many connections a server has at once, and how long each may last.

A reader that says nothing, or a byte now and then, costs a thread for as long as it likes. So there is a limit on both.
What lasts too long is cut. What comes when all places are taken gets that of the connection that has been open longest
without a whole request; only where all of them are being answered is it turned away.

One peer has a part of the places only, by its address: whatever it does, the kubelet's probes and other readers get in.
"""

import math
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

AT_ONCE = 16  # a guess: two Prometheus servers, an engine, the kubelet's probes, and four times as many again
OF_ONE_PEER = 8  # a guess: half, so that no peer keeps the others out; who comes through one proxy shares them
LONGEST_SECONDS = 120.0  # a guess: longer than any reader waits for a page


@dataclass(slots=True, kw_only=True)
class _Place:
    """``copy`` of the socket, since TLS takes the socket itself over; shutting one down shuts down the connection."""

    copy: socket.socket
    peer: str
    due: float
    is_heard: bool = False


class Connections:
    """The open connections of one server. For any thread."""

    def __init__(
        self, *, at_once: int = AT_ONCE, of_one_peer: int = OF_ONE_PEER, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        self._at_once = at_once
        self._of_one_peer = of_one_peer
        self._longest_seconds = longest_seconds
        self._lock = threading.Lock()
        self._open: dict[socket.socket, _Place] = {}  # in the order in which they came

    def admit(self, connection: socket.socket, peer: str) -> bool:
        """Whether there is a place for it, or one was made; if so it is taken until ``leave``. ``peer``: an address."""
        with self._lock:
            own = [each for each, place in self._open.items() if place.peer == peer]
            if len(own) >= self._of_one_peer and not self._make_room(own):
                return False
            if len(self._open) >= self._at_once and not self._make_room(self._open):
                return False
            due = time.monotonic() + self._longest_seconds
            self._open[connection] = _Place(copy=connection.dup(), peer=peer, due=due)
            return True

    def heard(self, connection: socket.socket) -> None:
        """Its request is whole: from now on it is not ended for another's sake."""
        with self._lock:
            if connection in self._open:
                self._open[connection].is_heard = True

    def leave(self, connection: socket.socket) -> None:
        """Give its place back. Harmless for one that has none."""
        with self._lock:
            place = self._open.pop(connection, None)
        if place is not None:
            place.copy.close()

    def cut_overdue(self) -> None:
        """End those that have lasted too long; whoever serves them notices and leaves."""
        self._cut(time.monotonic())

    def cut_all(self) -> None:
        """End every one."""
        self._cut(math.inf)

    def _cut(self, now: float) -> None:
        with self._lock:
            for place in self._open.values():
                if place.due <= now:
                    _end(place.copy)

    def _make_room(self, among: Iterable[socket.socket]) -> bool:
        """End the oldest of these that has not been heard; its place is free at once. Whether there was one."""
        oldest = next((each for each in among if not self._open[each].is_heard), None)
        if oldest is None:
            return False
        with self._open.pop(oldest).copy as copy:
            _end(copy)
        return True


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
