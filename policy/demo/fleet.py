"""
The demo's processes: one collector for each node, and the review API, on loopback, and all of them stopped at the end.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import ProxyHandler, build_opener

START_SECONDS = 30.0
STOP_SECONDS = 5.0
HOST = "127.0.0.1"
REVIEW = "review_api"  # with an underscore, which no node's name has
HEALTH_TIMEOUT_SECONDS = 1.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class DemoFailed(Exception):
    """The demo cannot go on: which of its files or processes, and what is wrong with it or the last it said."""


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """
    Hold SIGINT and SIGTERM back while the block runs; the first one that came is handled as ever when it is over.

    Without this a Ctrl-C between fork and the line that remembers the child leaves a process that nobody knows. By
    handlers and not by a signal mask, which holds for one thread only, and polars has others.
    """
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


class Fleet:
    """Child processes that end with the block, also when it ends by an exception or by Ctrl-C. For the main thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, *command: str) -> subprocess.Popen[str]:
        """A module of this installation as a process; what it says on standard error is kept in the folder."""
        with (self._folder / f"{name}.log").open("w", encoding="utf-8") as log, _uninterrupted():
            # Our own interpreter and our own modules, with arguments made here: nothing of it comes from outside.
            child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "policy.demo.child", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "POLARS_MAX_THREADS": "1"},
            )
            self._children[name] = child
        return child

    def check(self) -> None:
        """Raise DemoFailed for a process that has ended by itself."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise self.failed(name)

    def failed(self, name: str) -> DemoFailed:
        """What to raise for a process that did not come up, or has ended."""
        said = (self._folder / f"{name}.log").read_text(encoding="utf-8").strip().splitlines()
        return DemoFailed(f"{name} did not come up or has ended; its last words: {said[-1] if said else '(none)'}")

    def stop(self) -> None:
        """Ask every process to end, wait, and kill what does not; a second Ctrl-C waits until that is done."""
        with _uninterrupted():
            self._stop()

    def _stop(self) -> None:
        for child in self._children.values():
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()
        self._children.clear()


def start_collectors(
    fleet: Fleet, scenario: Path, nodes: Sequence[str], *, begins_at: float, speed: float, tick_seconds: float
) -> tuple[str, ...]:
    """One collector for each node; the URLs of their pages, in the order of the nodes."""
    timing = (f"--begins-at={begins_at}", f"--speed={speed}", f"--interval-seconds={tick_seconds}")
    gap = f"--max-gap-seconds={15 * tick_seconds}"
    children = [
        (
            node,
            fleet.start(node, "collector", f"--simulate={scenario}", f"--node={node}", "--listen-port=0", *timing, gap),
        )
        for node in nodes
    ]
    return tuple(_url(fleet, node, child) for node, child in children)


def start_review(fleet: Fleet, database: str, tokens: Path) -> str:
    """The review API; its address once it answers."""
    port = _free_port()
    child = fleet.start(
        REVIEW, "policy", "review", "serve",
        f"--database={database}", f"--tokens={tokens}", f"--review-port={port}",
    )  # fmt: skip
    address = f"http://{HOST}:{port}"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if _answers(f"{address}/healthz"):
            return address
        time.sleep(0.1)
    raise fleet.failed(REVIEW)


def _answers(url: str) -> bool:
    """Whether a page on loopback answers with success; never through a proxy."""
    with suppress(OSError, HTTPException), build_opener(ProxyHandler({})).open(url, timeout=HEALTH_TIMEOUT_SECONDS):
        return True
    return False


def _url(fleet: Fleet, name: str, child: subprocess.Popen[str]) -> str:
    """The address that a collector prints when it serves."""
    if child.stdout is None:
        raise fleet.failed(name)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        said = child.stdout.readline() if selector.select(START_SECONDS) else ""
    if not said.startswith("serving "):
        raise fleet.failed(name)
    return said.removeprefix("serving ").strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
