import gzip
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.drivers import ADriver, no_driver, well
from support.http import ask, get, until
from support.nodes import ASource, ToldClock, a_collector
from support.scenarios import Moment
from support.serving import port_of, serving

from collector.connections import AT_ONCE, Connections
from collector.loop import Collector, Page
from collector.nvml import Driver
from collector.server import NotLoopback, is_loopback, make_server

TOKEN = "näive token"  # not ASCII: it is compared as the bytes that were sent


def a_driver() -> Driver:
    """A node with one GPU."""
    return ADriver(lambda: [well("GPU-0")])


@pytest.fixture
def moment() -> Moment:
    """The collector's time."""
    return Moment()


@pytest.fixture
def collector(moment: Moment) -> Collector:
    """A collector that has not ticked yet."""
    return a_collector(ToldClock(moment), ASource(dict), open_driver=a_driver)


@pytest.fixture
def port(collector: Collector) -> Iterator[int]:
    """The port of a server without token."""
    with serving(collector) as server:
        yield port_of(server)


def test_metrics_are_what_the_last_tick_left(collector: Collector, port: int) -> None:
    """/metrics is a whole OpenMetrics page for who asks for one."""
    collector.tick()
    response, body = get(port, "/metrics?x=1", Accept="application/openmetrics-text; version=1.0.0")
    assert (response.status, response.headers["Content-Type"].split(";")[0]) == (200, "application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"flopwatch_gpus", "flopwatch_gpu_seconds", "flopwatch_collector_blind"} <= families


def test_the_older_format_is_the_default(port: int) -> None:
    """Who names no format gets the text format 0.0.4."""
    response, body = get(port, "/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"# EOF" not in body


def test_pages_are_compressed_for_who_asks(port: int) -> None:
    """A reader that accepts gzip gets the same page, smaller."""
    plain, body = get(port, "/metrics")
    packed, smaller = get(port, "/metrics", Accept_Encoding="gzip, deflate")
    assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
    assert int(packed.headers["Content-Length"]) == len(smaller) < len(body)
    assert gzip.decompress(smaller) == body


@pytest.mark.parametrize(
    ("sent", "packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br;q=1.0, gzip;q=0.001", True),
        ("gzip; q=1.000", True),
        ("*", True),
        ("identity, *;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip ; Q=0.000", False),
        ("gzip;q=0, *", False),
        ("br, *;q=0", False),
        ("gzip;q=nan", False),
        ("gzipped", False),
        ("identity", False),
        ("", False),
    ],
)
def test_who_refuses_gzip_gets_a_plain_page(port: int, sent: str, packed: bool) -> None:
    """A weight of 0 refuses a coding, by its name or by the star; a name or a star without one accepts it."""
    response, _ = get(port, "/healthz", Accept_Encoding=sent)
    assert response.headers["Content-Encoding"] == ("gzip" if packed else None)


def test_ready_after_the_first_tick(collector: Collector, port: int) -> None:
    """/readyz is 503 and starting before the first tick, then 200 and observing."""
    response, body = get(port, "/readyz")
    assert (response.status, json.loads(body)) == (503, {"state": "starting", "reason": "no_data"})
    collector.tick()
    response, body = get(port, "/readyz")
    assert (response.status, json.loads(body)) == (200, {"state": "observing", "reason": ""})


def test_a_blind_collector_is_ready(moment: Moment) -> None:
    """A node without driver is served too: restarting it would help nobody."""
    collector = a_collector(ToldClock(moment), ASource(dict), open_driver=no_driver)
    collector.tick()
    with serving(collector) as server:
        response, body = get(port_of(server), "/readyz")
    assert (response.status, json.loads(body)) == (200, {"state": "blind", "reason": "no_driver"})


def test_unhealthy_when_the_loop_hangs(collector: Collector, moment: Moment, port: int) -> None:
    """/healthz is 200 while ticks come, 503 once there was none for thirty intervals, 200 when they come again."""
    collector.tick()
    assert json.loads(get(port, "/healthz")[1]) == {"ticks": 1, "seconds_since_tick": 0.0}
    moment.seconds = 300
    assert get(port, "/healthz")[0].status == 200
    moment.seconds = 301
    response, body = get(port, "/healthz")
    assert (response.status, json.loads(body)["seconds_since_tick"]) == (503, 301.0)
    collector.tick()
    assert get(port, "/healthz")[0].status == 200


def test_other_pages_are_not_there(port: int) -> None:
    """404, with the pages that there are."""
    response, body = get(port, "/")
    assert response.status == 404
    assert json.loads(body)["error"] == "no such page; there are /metrics, /healthz, /readyz"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer ", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer{TOKEN}", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"BEARER  {TOKEN}", 200),
    ],
)
def test_metrics_need_the_token(collector: Collector, sent: str | None, status: int) -> None:
    """With a token, /metrics answers to exactly it, and who has not got it learns nothing."""
    headers = {} if sent is None else {"Authorization": sent.encode().decode("latin-1")}
    with serving(collector, token=TOKEN) as server:
        response, body = get(port_of(server), "/metrics", **headers)
    assert response.status == status
    assert (b"flopwatch_" in body) == (status == 200)
    assert response.headers["WWW-Authenticate"] == ("Bearer" if status == 401 else None)


def test_health_needs_no_token(collector: Collector) -> None:
    """The kubelet may ask how it is, and is told nothing about anybody."""
    with serving(collector, token=TOKEN) as server:
        assert get(port_of(server), "/healthz")[0].status == 200
        assert get(port_of(server), "/readyz")[0].status == 503


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "10.0.0.1", "node-a.example"])
def test_an_open_address_needs_a_token(collector: Collector, host: str) -> None:
    """An address that others may reach is refused without token, with what to do."""
    with pytest.raises(NotLoopback, match="give --bearer-token-file or --tls-client-ca-file, or listen on"):
        make_server(collector, host=host, port=0, bearer_token="")


def test_an_open_address_with_token_is_served(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """With a token every address may be listened on; that it travels in clear text is said once in the log."""
    with serving(collector, host="0.0.0.0", token=TOKEN) as server:
        assert get(port_of(server), "/metrics")[0].status == 401
        assert get(port_of(server), "/metrics")[0].status == 401
    (record,) = caplog.records
    assert record.message == ("http.token_in_clear_text host=0.0.0.0 next='give --tls-cert-file, or put TLS in front'")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("192.168.0.1", False), ("", False)],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    """The loopback networks and localhost; nothing that has to be looked up."""
    assert is_loopback(host) is loopback


def test_the_url_is_where_it_listens(collector: Collector) -> None:
    """The port that was taken stands in the URL; an IPv6 address in brackets."""
    with make_server(collector, host="127.0.0.1", port=0, bearer_token="") as server:
        assert server.url == f"http://127.0.0.1:{port_of(server)}"
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        with make_server(collector, host="::1", port=0, bearer_token="") as server:
            assert server.url == f"http://[::1]:{port_of(server)}"
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")


def test_a_taken_port_is_an_error(collector: Collector) -> None:
    """Two servers do not share a port."""
    with (
        make_server(collector, host="127.0.0.1", port=0, bearer_token="") as first,
        pytest.raises(OSError, match="in use"),
    ):
        make_server(collector, host="127.0.0.1", port=port_of(first), bearer_token="")


def test_a_reader_that_says_nothing_does_not_keep_others_waiting(port: int) -> None:
    """While one connection is open and silent, others are answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30):
        assert get(port, "/healthz")[0].status == 200


def test_a_defect_in_a_page_is_logged_and_the_server_lives_on(
    collector: Collector, port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that cannot be made ends that connection, leaves a trace in the log, and hurts no other page."""
    monkeypatch.setattr(collector, "page", lambda **_: 1 / 0)
    with caplog.at_level(logging.ERROR), pytest.raises(OSError, match="closed connection"):
        get(port, "/metrics")
    assert [record.message for record in caplog.records] == ["http.failed"]
    assert get(port, "/healthz")[0].status == 200


def test_head_is_get_without_the_body(port: int) -> None:
    """HEAD has the status and the headers of GET, and nothing after them."""
    for path, status in (("/metrics", 200), ("/readyz", 503), ("/", 404)):
        (head, nothing), (got, body) = ask(port, "HEAD", path), get(port, path)
        assert (head.status, got.status, nothing) == (status, status, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if path != "/metrics":  # whose numbers go on between two answers
            assert int(head.headers["Content-Length"]) == len(body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_nothing_can_be_done_but_reading(port: int, method: str) -> None:
    """Every other method is 405, with those that there are."""
    response, body = ask(port, method, "/metrics")
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert json.loads(body) == {"error": "there are GET, HEAD"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz\r\n\r\n", b"HTTP/1.0 200 "),
        (b"GET / HTTP/9.9\r\n\r\n", b"HTTP/1.0 505 "),
        (b"GET / nonsense\r\n\r\n", b"HTTP/1.0 400 "),
        (b"nonsense\r\n\r\n", b"HTTP/1.0 400 "),
        (b"GET /" + 70_000 * b"x", b"HTTP/1.0 414 "),
        (b"GET / HTTP/1.1\r\nA: " + 70_000 * b"x" + b"\r\n\r\n", b"HTTP/1.0 431 "),
        (b"GET / HTTP/1.1\r\n" + 200 * b"A: b\r\n" + b"\r\n", b"HTTP/1.0 431 "),
    ],
)
def test_what_is_no_request_is_refused_in_the_form_of_all_answers(
    port: int, caplog: pytest.LogCaptureFixture, request_bytes: bytes, status: bytes
) -> None:
    """Garbage gets a JSON error, is no defect in the log, and hurts no other reader."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request_bytes)
        with suppress(ConnectionResetError), connection.makefile("rb") as answer:  # it need not be read to its end
            head, _, body = answer.read().partition(b"\r\n\r\n")
            assert head.startswith(status)
            assert json.loads(body).keys() <= {"error", "ticks", "seconds_since_tick"}
    assert get(port, "/healthz")[0].status == 200
    assert not caplog.records


def connected(port: int, host: str = "127.0.0.1", *, says: bytes = b"") -> socket.socket:
    """A connection from this address of the loopback's, on which this was said."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(host, 0))
    connection.sendall(says)
    return connection


def status_of(connection: socket.socket) -> bytes:
    """The status that comes, or nothing where the connection was ended without an answer."""
    with suppress(ConnectionResetError), connection.makefile("rb") as answer:
        return answer.read().partition(b"\r\n")[0][9:12]
    return b""


WHOLE = b"GET /readyz HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("says", [b"", b"GET /readyz HTTP/1.1\r\nAccept: "])
@pytest.mark.parametrize("peers", [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]])
def test_silent_connections_keep_nobody_out(collector: Collector, peers: list[str], says: bytes) -> None:
    """However many connections of however many peers are open without a whole request, every page is answered."""
    collector.tick()
    with serving(collector) as server, ExitStack() as silent:
        port = port_of(server)
        for _ in range(AT_ONCE + 1):
            for peer in peers:
                silent.enter_context(connected(port, peer, says=says))
        assert {path: get(port, path)[0].status for path in ("/healthz", "/readyz", "/metrics")} == {
            "/healthz": 200, "/readyz": 200, "/metrics": 200,
        }  # fmt: skip


def test_of_silent_connections_the_oldest_makes_room(collector: Collector) -> None:
    """Where all places are taken one connection is ended, the one that came first; the others may still ask."""
    collector.tick()
    with serving(collector, connections=Connections(at_once=3)) as server, ExitStack() as stack:
        port = port_of(server)
        first, *others = (stack.enter_context(connected(port, f"127.0.0.{number}")) for number in (2, 3, 4))
        newcomer = stack.enter_context(connected(port, says=WHOLE))
        assert [status_of(newcomer), status_of(first)] == [b"200", b""]
        for each in others:
            each.sendall(WHOLE)
            assert status_of(each) == b"200"


def test_too_many_readers_are_turned_away_at_once(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all places of a peer are being answered it gets 503 without being read, another peer gets its answer."""
    collector.tick()
    came, goes_on = threading.Semaphore(0), threading.Event()

    def slow_page(**_: object) -> Page:
        came.release()
        assert goes_on.wait(30)
        return Page(kept=(), live=())

    monkeypatch.setattr(collector, "page", slow_page)
    with serving(collector, connections=Connections(of_one_peer=3)) as server, ExitStack() as stack:
        stack.callback(goes_on.set)
        port = port_of(server)
        ask_page = b"GET /metrics HTTP/1.1\r\n\r\n"
        busy = [stack.enter_context(connected(port, says=ask_page)) for _ in range(3)]
        assert all(came.acquire(timeout=30) for _ in busy)
        response, body = get(port, "/healthz")
        assert (response.status, json.loads(body)) == (503, {"error": "too many connections at once: ask again"})
        assert status_of(stack.enter_context(connected(port, "127.0.0.2", says=WHOLE))) == b"200"
        goes_on.set()
        assert [status_of(each) for each in busy] == [b"200"] * 3
        until(lambda: get(port, "/healthz")[0].status == 200, "their places are free")


def test_a_closed_server_ends_what_is_under_way(collector: Collector) -> None:
    """A reader that said nothing is not left hanging when the server closes."""
    with ExitStack() as silent:
        with serving(collector) as server:
            connection = silent.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), timeout=30))
            assert get(port_of(server), "/healthz")[0].status == 200  # so the one before has been taken
        assert connection.recv(1) == b""
