import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.http import until

from policy.commands.engine import _cycles
from policy.commands.health import MOST_CONNECTIONS, REQUEST_SECONDS, Health, read_address, serving
from policy.usage.ledger import LedgerError

ROOT = str(Path(__file__).resolve().parents[2])
HERE = "127.0.0.1:0"


def asked(url: str) -> tuple[int, dict[str, Any]]:
    """Status and answer, over a connection of its own."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def port_of(url: str) -> int:
    """The port that was free."""
    return int(url.rpartition(":")[2].partition("/")[0])


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_the_answer_follows_the_last_good_cycle() -> None:
    """Well until the patience after the start, then after every good cycle; failures in between change nothing."""
    clock = Clock()
    health = Health(patience_seconds=60, clock=clock)
    with serving(health, HERE) as url:
        clock.now += 60
        assert asked(url) == (
            200,
            {"status": "ok", "seconds_since_good_cycle": 60, "patience_seconds": 60, "last_failure": None},
        )
        health.cycle_failed(LedgerError("/secret/ledger: no space"))
        clock.now += 1
        status, told = asked(url)
        assert (status, told["seconds_since_good_cycle"], told["last_failure"]) == (503, 61, "LedgerError")
        assert "secret" not in str(told)
        health.cycle_done()
        status, told = asked(url)
        assert (status, told["seconds_since_good_cycle"], told["last_failure"]) == (200, 0, None)


@pytest.mark.parametrize(("cycles", "seconds", "patience"), [(3, 300, 900), (3, 1, 60), (0.5, 300, 150)])
def test_the_patience_is_that_with_a_silent_node(cycles: float, seconds: float, patience: float) -> None:
    """As long as a node may be silent, and a minute at least."""
    assert Health.of_cycles(cycles, seconds).patience_seconds == patience


class Hanging:
    """An engine whose first cycle is good, and whose second one hangs until its health says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[int] = []

    def cycle(self, _: datetime) -> object:
        """Come back at once the first time."""
        self.seen.append(asked(self.url)[0])
        if len(self.seen) > 1:
            until(lambda: asked(self.url)[0] == 503, "the hanging cycle is told")
            os.kill(os.getpid(), signal.SIGTERM)
        return SimpleNamespace(subjects=SimpleNamespace(height=0), findings=())


def test_a_cycle_that_hangs_is_told_while_it_hangs() -> None:
    """Nobody has to come back for the answer to change; and a good end makes all well."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    health = Health(patience_seconds=0.3)
    try:
        with serving(health, HERE) as url:
            engine = Hanging(url)
            _cycles(engine, 0.001, health, once=False)  # type: ignore[arg-type]  # as much as the loop needs
            assert engine.seen == [200, 200]
            assert asked(url)[0] == 200
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_nothing_else_is_there() -> None:
    """Another path is 404, another method is refused."""
    with serving(Health(patience_seconds=60), HERE) as url:
        assert asked(url.replace("healthz", "metrics"))[0] == 404
        assert asked(f"{url}?verbose")[0] == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url, data=b"x", timeout=10)
        with refused.value as error:
            assert error.code == 501


def test_connections_that_say_nothing_keep_nobody_waiting() -> None:
    """More of them than there is room for, and a probe is still answered; at the end no thread is left of them."""
    threads = threading.active_count()
    began = time.monotonic()
    with ExitStack() as stack, serving(Health(patience_seconds=60), HERE) as url:
        for _ in range(2 * MOST_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url))))
        assert asked(url)[0] == 200
        until(lambda: threading.active_count() <= threads + 1 + MOST_CONNECTIONS, "the oldest have made room")
    assert time.monotonic() - began < REQUEST_SECONDS  # after that they would have ended by themselves
    assert threading.active_count() == threads


def test_without_an_address_nobody_listens() -> None:
    """The default is silence."""
    threads = threading.active_count()
    with serving(Health(patience_seconds=60), "") as url:
        assert url == ""
        assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9480", ("127.0.0.1", 9480)),
        ("0.0.0.0:9480", ("0.0.0.0", 9480)),
        ("localhost:9480", ("127.0.0.1", 9480)),
        ("[::1]:9480", ("::1", 9480)),
        ("[::]:9480", ("::", 9480)),
        ("fd00::7:9480", ("fd00::7", 9480)),  # what a manifest makes of $(POD_IP):9480
    ],
)
def test_addresses_of_either_family_are_understood(text: str, expected: tuple[str, int]) -> None:
    """With brackets or, as the kubelet writes a pod's address, without."""
    assert read_address(text) == expected


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_on_ipv6() -> None:
    """The address in the answer is one that can be asked."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with serving(Health(patience_seconds=60), "[::1]:0") as url:
        assert url.startswith("http://[::1]:")
        assert asked(url)[0] == 200


def test_the_engine_tells_and_ends(tmp_path: Path) -> None:
    """The real command answers while it runs, and SIGTERM ends it at once, whoever is connected."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FLOPWATCH_")}
    command = [sys.executable, "-W", "error", "-m", "policy", "engine", "--targets", "http://127.0.0.1:9/metrics"]
    with subprocess.Popen(
        [*command, "--health-listen", HERE], stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**environment, "PYTHONPATH": ROOT},
    ) as engine:  # fmt: skip
        assert engine.stderr is not None
        try:
            said = next(line for line in engine.stderr if "health.listening" in line)
            url = re.findall(r"http://\S+/healthz", said)[0]
            assert asked(url)[0] == 200
            next(line for line in engine.stderr if "cycle.done" in line)
            with socket.create_connection(("127.0.0.1", port_of(url))):
                engine.send_signal(signal.SIGTERM)
                assert engine.wait(timeout=20) == 0
        finally:
            engine.kill()
