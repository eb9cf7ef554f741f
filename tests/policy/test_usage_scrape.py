import gzip
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from support.engines import an_engine
from support.usage import OPENMETRICS, ANode, Cycles, Handler, a_holder, a_moment, serving

from collector import contract
from collector.contract import Metric, Provenance, Sample, holder_metrics, rhythm_metrics
from collector.exposition import render
from collector.readings import FIELD_NAMES
from policy.rules.finding import Finding
from policy.usage.ledger import LedgerError
from policy.usage.sources.page import parse_page
from policy.usage.sources.scrape import Limits, scrape
from policy.usage.sources.target import WHAT_NEXT, Heard, Target, TargetState, Unusable, one_for_each_node

PATIENCE_SECONDS = 0.4
GOOD_TIME_SECONDS = 15 * PATIENCE_SECONDS  # for a busy machine; without a limit what drips takes eight times as long
OF_ONE_GPU = tuple(metric for metric in contract.METRICS if "gpu_uuid" in metric.labels)
EVERYTHING = {name: 0.5 for name in FIELD_NAMES if name.endswith(("_active_ratio", "_bytes_per_second"))}
LIMITS = Limits(timeout_seconds=PATIENCE_SECONDS, page_bytes=200_000)
POD = a_holder("pod-a")

Answer = Callable[[Handler], None]


def a_page(**different: object) -> bytes:
    """The page of a node that has run for a minute."""
    return ANode(**different).run(60, [POD]).page().encode()  # type: ignore[arg-type]


def serves(body: bytes, *, status: int = 200, content_type: str = OPENMETRICS, **headers: str) -> Answer:
    """An answer with this body."""
    return lambda handler: handler.answer(status, content_type, body, **headers)


def says_nothing(handler: Handler) -> None:
    """Accept, and never answer."""
    time.sleep(PATIENCE_SECONDS * 3)
    handler.close_connection = True


def drips(head: bytes, *, drop: bytes = b"#") -> Answer:
    """Send the beginning, then a byte now and then, long past every deadline."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(head)
            for _ in range(1000):
                handler.wfile.write(drop)
                time.sleep(PATIENCE_SECONDS / 8)
        except OSError:
            return

    return answer


@dataclass
class Targets:
    """Real servers on loopback, one path for each answer; ``answers`` may change between two scrapes."""

    address: str
    answers: dict[str, Answer] = field(default_factory=dict)

    def url(self, name: str) -> str:
        """The target of this name."""
        return f"{self.address}/{name}"

    def hear(self, *names: str, provenance: Provenance = Provenance.MEASURED) -> list[Heard]:
        """Scrape these targets."""
        return list(scrape([Target.at(self.url(name)) for name in names], provenance, LIMITS))


@pytest.fixture(scope="module")
def server() -> Iterator[Targets]:
    """A server that answers by the path; one for all tests of this file."""
    answers: dict[str, Answer] = {}

    class ByPath(Handler):
        def reply(self) -> None:
            answers[self.path.strip("/")](self)

    with serving(ByPath) as address:
        yield Targets(address, answers)


@pytest.fixture
def targets(server: Targets) -> Targets:
    """The server, with no answers yet."""
    server.answers.clear()
    return server


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: " + OPENMETRICS.encode() + b"\r\n"
WHOLE = a_page()
CUT_LINE = WHOLE[: WHOLE.index(b"flopwatch_holder_held_seconds_total{")]
NO_EOF = WHOLE.removesuffix(b"# EOF\n")
HTML = b"<!doctype html><title>Welcome</title>"
HELD_LINE = next(line for line in WHOLE.splitlines(keepends=True) if line.startswith(b"flopwatch_holder_held_seconds"))
CLOCK = b"flopwatch_collector_clock_timestamp_seconds{"
CLOCK_LINE = next(line for line in WHOLE.splitlines(keepends=True) if line.startswith(CLOCK))


def clock_says(value: bytes) -> bytes:
    """The page with another value for the collector's clock."""
    return WHOLE.replace(CLOCK_LINE, CLOCK_LINE.rsplit(b" ", 1)[0] + b" " + value + b"\n")


BAD: dict[str, tuple[Answer, TargetState, str]] = {
    "never answers": (says_nothing, TargetState.SLOW, "no whole answer within 0.4 s"),
    "drips a body": (drips(HEAD + b"\r\n"), TargetState.SLOW, "no whole answer within 0.4 s"),
    "drips a body of known length": (drips(HEAD + b"Content-Length: 9999\r\n\r\n"), TargetState.SLOW, "no whole"),
    "drips headers": (drips(HEAD + b"X-Slow: "), TargetState.SLOW, "no whole answer within 0.4 s"),
    "HTML with 200": (serves(HTML, content_type="text/html"), TargetState.NOT_METRICS, "content type text/html"),
    "no content type": (
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") and None,
        TargetState.NOT_METRICS,
        "content type none",
    ),
    "HTML that claims to be metrics": (serves(HTML + b"\n# EOF\n"), TargetState.NOT_METRICS, "not OpenMetrics"),
    "500": (serves(HTML, status=500, content_type="text/html"), TargetState.HTTP_ERROR, "HTTP 500"),
    "401": (serves(b"{}", status=401, content_type="application/json"), TargetState.HTTP_ERROR, "HTTP 401"),
    "redirect": (serves(b"", status=302, Location="http://127.0.0.1:1/"), TargetState.HTTP_ERROR, "HTTP 302"),
    "truncated, right length": (serves(CUT_LINE), TargetState.TRUNCATED, "without the closing '# EOF'"),
    "truncated, wrong length": (
        serves(CUT_LINE, Content_Length=str(len(WHOLE)), Connection="close"),
        TargetState.TRUNCATED,
        f"after {len(CUT_LINE)} bytes",
    ),
    "no EOF": (serves(NO_EOF), TargetState.TRUNCATED, "without the closing '# EOF'"),
    "empty": (serves(b""), TargetState.TRUNCATED, "0 characters"),
    "broken gzip": (serves(b"\x1f\x8bnot", Content_Encoding="gzip"), TargetState.NOT_METRICS, "cannot be unpacked"),
    "half a gzip": (
        serves(gzip.compress(WHOLE)[:200], Content_Encoding="gzip"),
        TargetState.TRUNCATED,
        "without the closing '# EOF'",
    ),
    "huge": (serves(b"# HELP x y\n" * 20_000 + WHOLE), TargetState.TOO_LARGE, "more than 200000 bytes"),
    "huge when unpacked": (
        serves(gzip.compress(b"# HELP x y\n" * 200_000), Content_Encoding="gzip"),
        TargetState.TOO_LARGE,
        "more than 200000 bytes",
    ),
    "foreign contract": (serves(a_page(contract_version="2")), TargetState.FOREIGN_CONTRACT, "wire contract 2"),
    "another exporter": (serves(b"# EOF\n"), TargetState.FOREIGN_CONTRACT, "wire contract none"),
    "two nodes": (
        serves(WHOLE.replace(HELD_LINE, HELD_LINE.replace(b'"node-a"', b'"node-z"'))),
        TargetState.FOREIGN_CONTRACT,
        "this one of node-a, node-z",
    ),
    "no clock": (serves(WHOLE.replace(CLOCK_LINE, b"")), TargetState.FOREIGN_CONTRACT, "is missing"),
    "clock is not a number": (serves(clock_says(b"NaN")), TargetState.FOREIGN_CONTRACT, "is nan"),
    "clock beyond the calendar": (serves(clock_says(b"1e18")), TargetState.FOREIGN_CONTRACT, "is 1e+18"),
    "clock before its beginning": (serves(clock_says(b"-5")), TargetState.FOREIGN_CONTRACT, "is -5"),
    "an endless counter": (
        serves(WHOLE.replace(HELD_LINE, HELD_LINE.rsplit(b" ", 1)[0] + b" +Inf\n")),
        TargetState.FOREIGN_CONTRACT,
        "flopwatch_holder_held_seconds_total is inf",
    ),
    "a series twice": (
        serves(WHOLE.replace(HELD_LINE, HELD_LINE * 2)),
        TargetState.FOREIGN_CONTRACT,
        "a series stands on the page twice",
    ),
    "labels beyond the contract": (
        serves(WHOLE.replace(HELD_LINE, HELD_LINE + HELD_LINE.replace(b"{", b'{gpu="1",'))),
        TargetState.FOREIGN_CONTRACT,
        "labels that are not in the contract",
    ),
    "other provenance": (serves(a_page(provenance="simulated")), TargetState.OTHER_PROVENANCE, "simulated series"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_answer_is_one_state_with_one_sentence(targets: Targets, name: str) -> None:
    """Whatever a target does, it gets one state and one sentence, in good time, and brings no counters."""
    answer, state, words = BAD[name]
    targets.answers["bad"] = answer
    began = time.monotonic()
    (heard,) = targets.hear("bad")
    assert time.monotonic() - began < GOOD_TIME_SECONDS
    assert heard.state is state
    assert words in heard.detail
    assert heard.node is None
    assert heard.counters.is_empty()
    detail = heard.row(a_moment(0))["detail"]
    assert detail == f"{heard.detail}; {WHAT_NEXT[state]}"
    assert "\n" not in str(detail)


def test_a_whole_page_is_ok(targets: Targets) -> None:
    """A good page brings its counters, no matter how it was packed, and no sentence."""
    targets.answers["good"] = serves(WHOLE)
    targets.answers["packed"] = serves(gzip.compress(WHOLE), Content_Encoding="gzip")
    good, packed = targets.hear("good", "packed")
    assert (good.state, good.node, good.row(a_moment(0))["detail"]) == (TargetState.OK, "node-a", "")
    assert good.counters.drop("target").equals(packed.counters.drop("target"))


def test_a_page_and_the_collectors_own_counters_agree() -> None:
    """What is read from a page is what the collector counted, to the last label and digit."""
    node = ANode().run(61.5, [POD], [POD, a_holder("pod-b", tenant_id=None)])
    read = parse_page("http://node-a/metrics", node.page(), Provenance.MEASURED)
    assert read.sort(read.columns).equals(node.snapshot().sort(read.columns))


def test_a_page_that_tells_everything_is_read_for_what_windows_have() -> None:
    """What devices did and their rhythm is read to the last digit; single GPUs and tensor pipes are left alone."""
    rhythm = dict.fromkeys(rhythm_metrics.METRICS, 0.5) | {rhythm_metrics.RHYTHM_SYNCHRONY: -0.25}
    telling = ANode(reads=EVERYTHING, rhythm=rhythm).run(60, [POD])
    single = [Sample(metric, ("node-a", "measured", *"x" * (len(metric.labels) - 2)), 1) for metric in OF_ONE_GPU]
    page = render((*telling.samples(), *single), OPENMETRICS)[1].decode()
    told = (*holder_metrics.HOLDER_ACTIVITY, *rhythm_metrics.METRICS)
    assert all(f"\n{metric.name}{{" in page for metric in (*told, *OF_ONE_GPU))
    read = parse_page("http://node-a/metrics", page, Provenance.MEASURED)
    assert read.sort(read.columns).equals(telling.snapshot().sort(read.columns))
    pipes = {holder_metrics.TENSOR_PIPE_ACTIVE.name, holder_metrics.TENSOR_PIPE_OBSERVED.name}
    assert set(read["metric"]) & {metric.name for metric in told} == {metric.name for metric in told} - pipes


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (rhythm_metrics.RHYTHM_SYNCHRONY, -1.1),
        (rhythm_metrics.RHYTHM_STRENGTH, 1.1),
        (rhythm_metrics.RHYTHM_PERIOD, -1.0),
        (rhythm_metrics.RHYTHM_PHASE, 1e12),
        (rhythm_metrics.RHYTHM_WINDOW, float("inf")),
    ],
)
def test_a_rhythm_that_cannot_be_is_refused(metric: Metric, value: float) -> None:
    """A page with a number that no rhythm can have is not used."""
    page = ANode(rhythm={metric: value}).run(60, [POD]).page()
    with pytest.raises(Unusable, match=metric.name):
        parse_page("t", page, Provenance.MEASURED)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_an_activity_that_cannot_be_is_refused(value: float) -> None:
    """A page on which something was active for a time that is none is not used."""
    node = ANode(reads=EVERYTHING).run(60, [POD])
    bad = [replace(each, value=value) if each.metric is holder_metrics.NVLINK else each for each in node.samples()]
    with pytest.raises(Unusable, match=holder_metrics.NVLINK.name):
        parse_page("t", render(bad, OPENMETRICS)[1].decode(), Provenance.MEASURED)


def test_a_closed_port_is_down() -> None:
    """Nobody listens: down, with the reason."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (heard,) = scrape([Target.at(f"http://127.0.0.1:{port}/metrics")], Provenance.MEASURED, LIMITS)
    assert heard.state is TargetState.DOWN
    assert "Connection refused" in heard.detail


@pytest.mark.parametrize(
    "target", ["http://no-such-host.invalid/metrics", "http://[::1/metrics", "http://", "ftp://x/"]
)
def test_an_address_that_leads_nowhere_is_down(target: str) -> None:
    """A host that does not exist or an address that is none is a state too, not an end of the engine."""
    (heard,) = scrape([Target.at(target)], Provenance.MEASURED, LIMITS)
    assert heard.state is TargetState.DOWN


def test_something_that_is_not_http_is_down() -> None:
    """A port that speaks another language is reported as down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                connection.recv(4096)

        thread = Thread(target=greet)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        (heard,) = scrape([Target.at(address)], Provenance.MEASURED, LIMITS)
        thread.join()
    assert heard.state is TargetState.DOWN


def test_a_blind_node_is_heard_and_says_so(targets: Targets) -> None:
    """A collector that can read no GPU brings its counters and is visibly blind, with its reason."""
    targets.answers["blind"] = serves(a_page(blind="driver_gone"))
    (heard,) = targets.hear("blind")
    assert (heard.state, heard.node) == (TargetState.BLIND, "node-a")
    assert heard.detail == "node node-a: driver_gone"
    assert not heard.counters.is_empty()


def test_proxies_of_the_environment_are_not_used(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and tokens go between the engine and the node, whatever proxy the environment names."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    targets.answers["good"] = serves(WHOLE)
    assert targets.hear("good")[0].state is TargetState.OK


def test_the_token_is_sent_and_never_told(targets: Targets) -> None:
    """The bearer token reaches the collector, and stands in no sentence."""
    seen: list[str | None] = []

    def answer(handler: Handler) -> None:
        seen.append(handler.headers["Authorization"])
        handler.answer(401, "application/json", b"{}")

    targets.answers["closed"] = answer
    (heard,) = scrape([Target.at(targets.url("closed"))], Provenance.MEASURED, Limits(bearer_token="s3cret"))
    assert seen == ["Bearer s3cret"]
    assert "s3cret" not in str(heard)


def test_slow_targets_do_not_add_up(targets: Targets) -> None:
    """Many slow targets take the time of one, and a good one among them is heard, in its place."""
    targets.answers |= {"slow": drips(HEAD + b"X-Slow: "), "good": serves(WHOLE)}
    began = time.monotonic()
    heard = targets.hear(*["slow"] * 20, "good", *["slow"] * 10)  # one after another they take twelve seconds
    assert time.monotonic() - began < GOOD_TIME_SECONDS
    assert [each.state.value for each in heard] == [*["slow"] * 20, "ok", *["slow"] * 10]


# One node, one target


def test_two_targets_with_one_node_name_count_once(targets: Targets) -> None:
    """The second target of a node is refused by name; the first one counts."""
    targets.answers |= {"one": serves(WHOLE), "two": serves(a_page(now=5.0))}
    first, second = one_for_each_node(targets.hear("one", "two"), ANode("other").snapshot())
    assert first.state is TargetState.OK
    assert second.state is TargetState.DUPLICATE_NODE
    assert second.detail == f"node node-a is {targets.url('one')} already"
    assert second.counters.is_empty()


def test_a_namesake_does_not_stand_in_for_a_silent_node(targets: Targets) -> None:
    """While the target that spoke for a node is down, another collector of that name is not taken for its restart."""
    targets.answers |= {"one": serves(WHOLE), "two": serves(a_page(now=5.0))}
    (before,) = (each.counters for each in targets.hear("one"))
    targets.answers["one"] = serves(b"", status=503)
    states = [each.state for each in one_for_each_node(targets.hear("one", "two"), before)]
    assert states == [TargetState.HTTP_ERROR, TargetState.DUPLICATE_NODE]


def test_a_node_may_move_to_another_address(targets: Targets) -> None:
    """When the old target is asked no more, the new one speaks for the node."""
    targets.answers |= {"old": serves(WHOLE), "new": serves(WHOLE)}
    (before,) = (each.counters for each in targets.hear("old"))
    assert [each.state for each in one_for_each_node(targets.hear("new"), before)] == [TargetState.OK]


# Good, bad, good: through the engine, into the ledger


@pytest.mark.parametrize("name", [*BAD, "blind"])
def test_nothing_is_lost_or_doubled_over_a_bad_answer(targets: Targets, tmp_path: Path, name: str) -> None:
    """Good, bad, bad, good: the ledger holds exactly what the node used, and a row for every scrape."""
    node = ANode().run(60, [POD])
    engine = an_engine(tmp_path, source=lambda _: targets.hear("node"))
    for cycle, good in enumerate([True, False, False, True]):
        node.blind = "no_driver" if name == "blind" and not good else ""
        ours = serves(node.page().encode())
        targets.answers["node"] = ours if good or name == "blind" else BAD[name][0]
        engine.cycle(a_moment(node.now))
        node.run(60 * (cycle + 1), [POD])
    windows, rows = engine.ledger.read("windows"), engine.ledger.read("targets")
    bad = "blind" if name == "blind" else BAD[name][1].value
    assert windows["held_seconds"].sum() == 60 + 60 + 120 + 180
    assert windows["unwatched_seconds"].sum() == 0
    assert rows["state"].to_list() == ["ok", bad, bad, "ok"]


def test_a_namesake_never_doubles_the_ledger(targets: Targets, tmp_path: Path) -> None:
    """Two collectors under one name, answering in turns, leave the seconds of one of them in the ledger."""
    ours, namesake = ANode().run(60, [POD]), ANode(began=7.0, now=7.0).run(5000, [a_holder("other")])
    engine = an_engine(tmp_path, source=lambda _: targets.hear("ours", "namesake"))
    for up in (True, False, True, False, True):
        targets.answers["ours"] = serves(ours.page().encode(), status=200 if up else 503)
        targets.answers["namesake"] = serves(namesake.page().encode())
        engine.cycle(a_moment(ours.now))
        ours.run(60, [POD])
    windows = engine.ledger.read("windows")
    assert dict(windows.group_by("workload_pod").agg(pl.col("held_seconds").sum()).iter_rows()) == {"pod-a": 300}


def test_an_engine_without_answers_still_cycles(tmp_path: Path) -> None:
    """No target at all is an empty ledger, not an error."""
    findings: list[Finding] = list(an_engine(tmp_path).cycle(a_moment(0)).findings)
    assert findings == []


def test_unusable_says_its_state() -> None:
    """The error of a page carries the state that its target gets."""
    with pytest.raises(Unusable) as caught:
        parse_page("t", "", Provenance.MEASURED)
    assert caught.value.state is TargetState.TRUNCATED


def test_snapshots_of_pages_make_the_same_windows_as_snapshots_of_counters() -> None:
    """Going through text changes no window."""
    node, read, counted = ANode().run(60, [POD]), Cycles(), Cycles()
    for _ in range(3):
        read.hear(parse_page("http://node-a/metrics", node.page(), Provenance.MEASURED))
        counted.hear(node.snapshot())
        node.run(33.3, [POD])
    assert [each.rows() for each in read.windows] == [each.rows() for each in counted.windows]


@pytest.mark.parametrize(("off", "words"), [(-86_400, "behind the engine"), (7200, "ahead of the engine")])
def test_a_node_with_a_wrong_clock_waits_and_loses_nothing(
    targets: Targets, tmp_path: Path, off: float, words: str
) -> None:
    """A page whose clock is far off is said to be so and kept out; when the clock is right it brings the whole sum."""
    node = ANode().run(60, [POD])
    engine = an_engine(tmp_path, source=lambda _: targets.hear("node"))
    for error in (0.0, off, 0.0):
        node.now += error
        targets.answers["node"] = serves(node.page().encode())
        node.now -= error
        engine.cycle(a_moment(node.now))
        node.run(60, [POD])
    rows = engine.ledger.read("targets")
    assert rows["state"].to_list() == ["ok", "clock_off", "ok"]
    assert words in rows["detail"][1]
    windows = engine.ledger.read("windows")
    assert (windows["held_seconds"].sum(), windows["unwatched_seconds"].sum()) == (180, 0)


def test_an_engine_whose_clock_was_ahead_says_so(tmp_path: Path) -> None:
    """Snapshots from the future stop the engine with a sentence that names them, instead of measuring nothing."""
    engine = an_engine(tmp_path)
    engine.cycle(a_moment(10_000))
    engine.cycle(a_moment(9_900))
    with pytest.raises(LedgerError, match=r"newest snapshot is of 2026-06-01T02:46:40\+00:00, after now"):
        engine.cycle(a_moment(60))


def test_a_holder_without_one_of_its_counters_is_refused() -> None:
    """A page that leaves out a holder's busy time is not read as idle."""
    page = ANode().run(60, [POD]).page()
    without = "\n".join(
        line for line in page.split("\n") if not line.startswith("flopwatch_holder_busy_seconds_total{")
    )
    with pytest.raises(Unusable, match="flopwatch_holder_busy_seconds_total is missing for 1 of 1 holders"):
        parse_page("t", without, Provenance.MEASURED)
