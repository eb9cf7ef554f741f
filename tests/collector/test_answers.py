import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drivers import ADriver, well
from support.http import get
from support.nodes import ASource, ToldClock, a_collector
from support.scenarios import Moment
from support.serving import port_of, serving

import collector.answers as answers
from collector.answers import TIMEOUT_HEADER, patience_seconds
from collector.loop import Collector, NotInTime


@pytest.fixture
def collector() -> Collector:
    """A collector of one GPU that has ticked once."""
    made = a_collector(ToldClock(Moment()), ASource(dict), open_driver=lambda: ADriver(lambda: [well("GPU-0")]))
    made.tick()
    return made


@contextmanager
def stuck(collector: Collector) -> Iterator[None]:
    """Its books held by a thread that does not come back, for the length of the block."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with collector._lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join(30)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 9.5),
        ("2.5", 2.0),
        ("0.6", 0.3),
        ("0.001", 0.0005),
        ("1e9", 59.5),
        ("", 9.5),
        ("soon", 9.5),
        ("0", 9.5),
        ("-1", 9.5),
        ("nan", 9.5),
        ("inf", 9.5),
        ("1e400", 9.5),
    ],
)
def test_patience_is_the_readers_less_a_margin(header: str, seconds: float) -> None:
    """Half a second less than the reader waits, or half of a short wait; as usual where the header is no use."""
    assert patience_seconds(header) == pytest.approx(seconds)


@given(st.text() | st.floats().map(str))
def test_no_header_makes_a_reader_wait_for_ever(header: str) -> None:
    """Whatever the header says, patience is above 0 and below a minute."""
    assert 0 <= patience_seconds(header) < 60


def test_a_page_that_does_not_come_in_time_is_said(collector: Collector) -> None:
    """While something holds the books a scrape with a timeout gets 503 within it, and what to do; later the page."""
    with serving(collector) as server:
        with stuck(collector):
            response, body = get(port_of(server), "/metrics", **{TIMEOUT_HEADER: "0.1"})
        assert (response.status, response.headers["Content-Type"]) == (503, "application/json")
        assert json.loads(body) == {
            "error": "the books were busy for 0.05 s: ask again; restart the collector if it stays so"
        }
        assert get(port_of(server), "/metrics", **{TIMEOUT_HEADER: "0.1"})[0].status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_do_not_hang_with_the_books(collector: Collector, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A probe is answered with 503 before the kubelet gives up, so that it restarts a collector that is stuck."""
    monkeypatch.setattr(answers, "PROBE_SECONDS", 0.01)
    with serving(collector) as server, stuck(collector):
        response, body = get(port_of(server), path)
    assert response.status == 503
    assert json.loads(body)["error"].startswith("the books were busy")


def test_who_names_no_time_waits(collector: Collector) -> None:
    """Without a limit the books are waited for; with one that is over, it is said by name."""
    with stuck(collector), pytest.raises(NotInTime, match="busy for 0 s"):
        collector.page(timeout_seconds=0)
    assert collector.samples()
    assert collector.health().ticks == 1
