import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import polars as pl
import pytest
from support.engines import an_engine
from support.pods_api import FORBIDDEN, NAMESPACE, TLS, TOKEN, PodsApi, a_pod, a_pods_api, a_status, says
from support.usage import OPENMETRICS, ANode, Handler, a_holder, a_moment

from collector.contract import Provenance
from policy.commands.status import latest_targets
from policy.engine import Engine, Horizon
from policy.settings import UnusableSettings
from policy.usage.counters import RETIRED, targets_in_force
from policy.usage.sources import apiserver
from policy.usage.sources.apiserver import Access, asking
from policy.usage.sources.discovery import WITHOUT_POD, Discovery
from policy.usage.sources.pods import PodList, by_node
from policy.usage.sources.scrape import Limits, scrape
from policy.usage.sources.target import WHAT_NEXT, Find, Found, Heard, Target, TargetState
from policy.wiring import find_targets

LIST = f"kubernetes:{NAMESPACE}"
POD = a_holder("pod-a")
PATIENCE_SECONDS = 0.3
CYCLE_SECONDS = 60


@pytest.fixture
def api() -> Iterator[PodsApi]:
    """The API server of an empty cluster in which nothing is wrong."""
    with a_pods_api() as server:
        yield server


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder that the kubelet mounts."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text(f"{TOKEN}\n")
    shutil.copy(TLS / "ca.pem", folder / "ca.crt")
    return folder


@pytest.fixture
def find(api: PodsApi, account: Path) -> Discovery:
    """Finds what is in that cluster."""
    return finder(api, account)


def finder(api: PodsApi, account: Path) -> Discovery:
    """An engine's discovery that has found nobody yet."""
    return Discovery(namespace=NAMESPACE, asking=partial(asking, Access(server=api.address, account=account)))


def urls(found: Found) -> dict[str, str]:
    """Who is asked where."""
    return {each.name: each.url for each in found.targets}


def states(found: Found) -> dict[str, str]:
    """The state of everybody who is not asked."""
    return {each.target: each.state.value for each in found.unheard}


def detail(found: Found, target: str) -> str:
    """Why somebody is not asked."""
    (heard,) = (each for each in found.unheard if each.target == target)
    return heard.detail


# Whom a list of pods names


def told(*pods: object) -> dict[str, Target | Heard]:
    """What a list of these pods says of each node."""
    return by_node(PodList.model_validate_json(json.dumps({"kind": "PodList", "items": pods})).items)


def test_a_pod_is_asked_at_its_address() -> None:
    """The port is the container's, by name; the scheme is the annotation's, if it is one; IPv6 gets its brackets."""
    odd, tls, six = a_pod("b", "10.0.0.2", port=99), a_pod("c", "10.0.0.3"), a_pod("d", "fd00::4")
    odd["metadata"]["annotations"]["prometheus.io/scheme"] = "gopher"
    tls["metadata"]["annotations"]["prometheus.io/scheme"] = "https"
    del six["metadata"]["annotations"]
    assert told(a_pod("a", "10.0.0.1"), odd, tls, six) == {
        node: Target(name=f"node/{node}", url=url, node=node)
        for node, url in {
            "a": "http://10.0.0.1:9478/metrics",
            "b": "http://10.0.0.2:99/metrics",
            "c": "https://10.0.0.3:9478/metrics",
            "d": "http://[fd00::4]:9478/metrics",
        }.items()
    }


def a_waiting_pod() -> object:
    """A pod whose image cannot be had."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "registry.secret"}}
    return a_pod("a", containerStatuses=[{"name": "collector", "state": waiting}, {"name": "x", "state": None}])


def an_unscheduled_pod(**spec: object) -> object:
    """A DaemonSet's pod before the scheduler has put it on its node."""
    pod = a_pod("", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}])
    del pod["spec"]["nodeName"]
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod["spec"] |= {"affinity": {"nodeAffinity": required}, **spec}
    return pod


def an_ended_pod() -> object:
    """An evicted pod, whose old address may be somebody else's by now."""
    return a_pod("a", "10.0.0.1", phase="Failed", reason="Evicted")


def a_pod_without_port() -> object:
    """A pod of another making."""
    pod = a_pod("a", "10.0.0.1")
    pod["spec"]["containers"][1]["ports"][0]["name"] = "http"
    return pod


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (a_waiting_pod(), "pod collector-of-a is Pending: ImagePullBackOff"),
        (an_unscheduled_pod(), "pod collector-of- is Pending: Unschedulable"),
        (an_ended_pod(), "pod collector-of-a is Failed: Evicted"),
        (a_pod_without_port(), "pod collector-of-a names no port metrics"),
        (a_pod("a", phase=""), "pod collector-of-a is not there yet"),
    ],
)
def test_a_node_whose_pod_cannot_be_asked_says_why(pod: object, words: str) -> None:
    """A pod without an address to ask at is its node's answer: phase and reason, nothing of its image."""
    heard = told(pod)["a"]
    assert isinstance(heard, Heard)
    assert (heard.target, heard.state, heard.detail) == ("node/a", TargetState.NO_COLLECTOR, words)
    assert heard.row(a_moment(0))["detail"] == f"{words}; {WHAT_NEXT[TargetState.NO_COLLECTOR]}"


def test_one_pod_speaks_for_a_node() -> None:
    """An ended or a deleted pod stands behind another one, whatever the order; of two that stay it is the newer one."""
    ended, leaving, staying = an_ended_pod(), a_pod("a", "10.0.0.2"), a_pod("a", "10.0.0.3", name="z")
    leaving["metadata"] |= {"deletionTimestamp": "2026-06-01T00:00:09Z", "creationTimestamp": "2026-06-01T00:00:05Z"}
    newer = a_pod("a", "10.0.0.4", name="b")
    newer["metadata"]["creationTimestamp"] = "2026-06-01T00:00:01Z"
    pods = [ended, leaving, staying, newer]
    for expected in ("10.0.0.4", "10.0.0.3", "10.0.0.2"):
        for order in (pods, pods[::-1]):
            asked = told(*order)["a"]
            assert isinstance(asked, Target)
            assert expected in asked.url
        pods.pop()


@pytest.mark.parametrize("name", ["../../secrets", "a b", "", "A"])
def test_a_pod_of_no_node_is_nobodys(name: str) -> None:
    """A pod that is nowhere, or at something that cannot be a node, names nobody."""
    assert told(a_pod(name, "10.0.0.1")) == {}


# What is asked of the API server


def test_a_list_of_several_pages_is_one_list(api: PodsApi, find: Discovery) -> None:
    """``continue`` is followed to the end, with the selector and the limit each time."""
    api.pods = [a_pod(f"n-{number}", f"10.0.0.{number}") for number in range(7)]
    api.largest_page = 3
    found = find(())
    assert sorted(urls(found)) == [f"node/n-{number}" for number in range(7)]
    assert states(found) == {LIST: "ok"}
    assert len(api.asked) == 3
    assert all("limit=500" in asked and "labelSelector=app.kubernetes.io%2Fname%3D" in asked for asked in api.asked)


def test_part_of_a_list_is_none(api: PodsApi, find: Discovery) -> None:
    """When a later page cannot be had, nobody of the earlier ones counts, and nobody has left."""
    api.pods, api.largest_page = [a_pod(name, "10.0.0.1") for name in ("a", "b")], 1
    api.fault_of_page["1"] = says(410, a_status(410, "Expired", "The provided continue parameter is too old"))
    found = find(["node/a", "node/c"])
    assert states(found) == {LIST: "undiscovered", "node/a": "undiscovered", "node/c": "undiscovered"}
    assert detail(found, LIST) == "HTTP 410 Expired: The provided continue parameter is too old"


def test_a_list_without_end_is_none(api: PodsApi, find: Discovery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that always has a further page is not followed for ever."""
    monkeypatch.setattr(apiserver, "MOST_PAGES", 3)
    endless = {"kind": "PodList", "metadata": {"continue": "more"}, "items": [a_pod("a", "10.0.0.1")]}
    api.fault = says(200, json.dumps(endless).encode())
    assert detail(find(()), LIST) == "a list of pods without end, after 3 of them"


def test_the_token_is_read_anew_for_every_cycle(api: PodsApi, find: Discovery, account: Path) -> None:
    """A token that the kubelet has replaced is used at once; one that is missing or odd is a trouble, not an end."""
    assert states(find(())) == {LIST: "no_collector"}
    api.token = "the-next-one"
    assert detail(find(()), LIST) == "HTTP 401 Unauthorized: Unauthorized"
    (account / "token").write_text(api.token)
    assert states(find(())) == {LIST: "no_collector"}
    (account / "token").write_text("two tokens")
    assert detail(find(()), LIST) == f"{account / 'token'}: holds no token"
    (account / "token").unlink()
    assert detail(find(()), LIST) == f"{account / 'token'}: cannot be read (No such file or directory)"


def test_the_api_servers_certificate_is_verified(account: Path) -> None:
    """Over TLS the server is believed for the mounted authority, and for no other; a new file counts at once."""
    with a_pods_api(tls=True) as api:
        api.pods = [a_pod("a", "10.0.0.1")]
        find = finder(api, account)
        assert states(find(())) == {LIST: "ok"}
        shutil.copy(TLS / "other-ca.pem", account / "ca.crt")
        found = find(())
        assert "certificate verify failed" in detail(found, LIST)
        assert urls(found) == {"node/a": "http://10.0.0.1:9478/metrics"}
        (account / "ca.crt").write_text("nothing")
        assert f"{account / 'ca.crt'}: cannot be used" in detail(find(()), LIST)
        assert len(api.asked) == 1


def hangs(handler: Handler) -> None:
    """Accept, and never answer."""
    time.sleep(PATIENCE_SECONDS * 2)
    handler.close_connection = True


GARBAGE: dict[str, tuple[Callable[[Handler], None], str]] = {
    "forbidden": (FORBIDDEN, 'HTTP 403 Forbidden: pods is forbidden: User "engine" cannot list resource "pods"'),
    "a proxy's page": (says(200, b"<html>", "text/html"), "HTTP 200 with content type text/html"),
    "a proxy's 404": (says(404, b"404 page not found", "text/plain"), "HTTP 404 with content type text/plain"),
    "no JSON": (says(200, b'{"kind": "PodList", "items": ['), "HTTP 200 with an answer that is not in the form"),
    "another kind": (says(200, b'{"kind": "SecretList", "items": []}'), "HTTP 200 with an answer that is not in"),
    "a list as error": (says(500, b'{"kind": "PodList", "items": []}'), "HTTP 500 with an answer that is not in"),
    "an odd pod": (says(200, b'{"kind": "PodList", "items": [{"metadata": 7}]}'), "HTTP 200 with an answer that"),
    "an odd address": (
        says(200, json.dumps({"kind": "PodList", "items": [a_pod("a", "a.secret.host")]}).encode()),
        "HTTP 200 with an answer that is not in the form of the API",
    ),
    "a redirect": (says(302, b"{}"), "HTTP 302 with an answer that is not in the form of the API"),
    "silence": (hangs, "no whole answer within 0.3 s"),
}  # fmt: skip


@pytest.mark.parametrize("name", GARBAGE)
def test_while_the_api_server_does_not_tell_nobody_leaves(
    api: PodsApi, find: Discovery, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Collectors that were found are asked where they were; others stay in view; the list's own row says why."""
    monkeypatch.setattr(apiserver, "ANSWER_SECONDS", PATIENCE_SECONDS)
    api.pods, api.nodes = [a_pod("a", "10.0.0.1"), a_pod("b")], {"a", "b"}
    assert urls(find(["node/a"])) == {"node/a": "http://10.0.0.1:9478/metrics"}
    api.fault, words = GARBAGE[name]
    found = find(["node/a", "node/c", "http://static/metrics"])
    assert urls(found) == {"node/a": "http://10.0.0.1:9478/metrics"}
    assert states(found) == {LIST: "undiscovered", "node/b": "undiscovered", "node/c": "undiscovered"}
    assert words in detail(found, LIST)
    assert "secret" not in str(found)
    api.fault = None
    assert states(find(["node/a"])) == {LIST: "ok", "node/b": "no_collector"}


def test_a_closed_port_is_a_trouble(account: Path) -> None:
    """An API server that is down is one more way of not telling."""
    with a_pods_api() as api:
        find = finder(api, account)
    found = find(["node/a"])
    assert states(found) == {LIST: "undiscovered", "node/a": "undiscovered"}
    assert "Connection refused" in detail(found, LIST)


def test_an_empty_list_says_so(find: Discovery) -> None:
    """A namespace without collectors is no fleet in which all is well."""
    assert detail(find(()), LIST) == (
        "no pod in the namespace flopwatch-nodes has the label app.kubernetes.io/name=flopwatch-collector"
    )


# Nodes without a pod


def test_only_nodes_without_a_pod_are_asked_for(api: PodsApi, find: Discovery) -> None:
    """One that is in the cluster stays in view; one that is not is left out; those with a pod are nobody's question."""
    api.pods, api.nodes = [a_pod("a", "10.0.0.1")], {"a", "b"}
    found = find(["node/a", "node/b", "node/c", "http://static/metrics"])
    assert urls(found).keys() == {"node/a"}
    assert states(found) == {LIST: "ok", "node/b": "no_collector"}
    assert detail(found, "node/b") == WITHOUT_POD
    assert sorted(api.asked)[1:] == ["/api/v1/nodes/b", "/api/v1/nodes/c"]


def test_a_node_that_was_never_heard_stays_in_view_too(api: PodsApi, find: Discovery) -> None:
    """What was found and is not in the ledger is remembered while the process lives, until its node leaves."""
    api.pods, api.nodes = [a_pod("a", "10.0.0.1")], {"a"}
    find(())
    api.pods = []
    assert states(find(()))["node/a"] == "no_collector"
    api.nodes = set()
    assert states(find(())) == {LIST: "no_collector"}
    assert states(find(())) == {LIST: "no_collector"}
    assert [each for each in api.asked if "/nodes/" in each] == ["/api/v1/nodes/a"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        says(403, a_status(403, "Forbidden", "no")),
        says(404, b"404 page not found", "text/plain"),
        says(404, a_status(404, "NotFound", "the server could not find the requested resource")),
        says(404, a_status(404, "NotFound", name="b")),
        says(200, b'{"kind": "Node", "metadata": {"name": "b"}}'),
        says(200, b'{"kind": "Pod"}'),
        says(500, b"{}"),
    ],
)
def test_only_the_api_servers_own_words_let_a_node_go(api: PodsApi, find: Discovery, answer: object) -> None:
    """Any answer but "this node is not found" keeps the node, and is told as the list's trouble."""
    api.pods, api.fault_of_nodes = [a_pod("z", "10.0.0.1")], answer  # type: ignore[assignment]
    found = find(["node/a"])
    assert states(found) == {LIST: "undiscovered", "node/a": "no_collector"}
    assert detail(found, LIST)[:40] in detail(found, "node/a")


def test_slow_answers_about_nodes_do_not_add_up(api: PodsApi, find: Discovery, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first question without an answer no further ones are asked, and all of the nodes are kept."""
    monkeypatch.setattr(apiserver, "ANSWER_SECONDS", PATIENCE_SECONDS)
    api.fault_of_nodes = hangs
    began = time.monotonic()
    found = find([f"node/n-{number}" for number in range(100)])
    assert time.monotonic() - began < PATIENCE_SECONDS * 5
    assert len(states(found)) == 101
    assert len(api.asked) <= 1 + apiserver.AT_ONCE


# Through the engine, into the ledger


class Pages:
    """Collectors on addresses of loopback, each with the page that a test gives it."""

    def __init__(self) -> None:
        pages = self.pages = dict[str, ANode]()

        class ByAddress(Handler):
            def reply(self) -> None:
                node = pages.get(self.connection.getsockname()[0])
                body = node.page().encode() if node else b""
                self.answer(200 if node else 503, OPENMETRICS, body)

        self.server = ThreadingHTTPServer(("0.0.0.0", 0), ByAddress)
        self.port = self.server.server_port

    def pod(self, node: ANode, address: str) -> dict[str, object]:
        """Let this address be that of the node's pod, and no other any longer."""
        for old in [old for old, who in self.pages.items() if who is node]:
            del self.pages[old]
        self.pages[address] = node
        return a_pod(node.name, address, port=self.port)


@pytest.fixture(scope="module")
def listening() -> Iterator[Pages]:
    """One server for all tests of this file."""
    pages = Pages()
    thread = Thread(target=pages.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield pages
    pages.server.shutdown()
    pages.server.server_close()
    thread.join()


@pytest.fixture
def pages(listening: Pages) -> Pages:
    """The server, without pages."""
    listening.pages.clear()
    return listening


def finding_engine(folder: Path, find: Find) -> Engine:
    """An engine that asks whom it finds, as wiring puts it together."""

    def source(known: object) -> list[Heard]:
        found = find(known)  # type: ignore[arg-type]
        return [*found.unheard, *scrape(found.targets, Provenance.MEASURED, Limits(timeout_seconds=2.0))]

    horizon = Horizon(look_back=timedelta(days=1), stale_after=timedelta(minutes=10))
    return an_engine(folder, source=source, horizon=horizon)


def live(engine: Engine, *nodes: ANode, at: float | None = None) -> dict[str, str]:
    """A minute for these nodes and a cycle; the states in which the ledger has everybody then."""
    for node in nodes:
        node.run(CYCLE_SECONDS, [POD])
    engine.cycle(a_moment(nodes[0].now if at is None else at))
    return dict(latest_targets(engine.ledger).select("target", "state").iter_rows())


def retired(engine: Engine) -> set[str]:
    """The nodes that the newest snapshot marks as no longer asked."""
    newest = engine.ledger.counters(engine.ledger.snapshots()[-1])
    return set(newest.filter(pl.col("metric") == RETIRED)["node"])


def test_a_pod_under_another_address_is_the_same_node(
    api: PodsApi, account: Path, find: Discovery, pages: Pages, tmp_path: Path
) -> None:
    """A replaced pod goes on with its node's counters: one target, no gap, nothing twice, also over a new engine."""
    node = ANode("a")
    for cycle, address in enumerate(("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1")):
        api.pods = [pages.pod(node, address)]
        engine = finding_engine(tmp_path, finder(api, account) if cycle == 2 else find)
        assert live(engine, node) == {LIST: "ok", "node/a": "ok"}
    windows = engine.ledger.read("windows")
    assert (windows["held_seconds"].sum(), windows["unwatched_seconds"].sum()) == (4 * CYCLE_SECONDS, 0)
    assert set(engine.ledger.counters(engine.ledger.snapshots()[-1])["target"]) == {"node/a"}
    assert retired(engine) == set()


def test_a_node_without_a_pod_stays_unwatched_until_it_leaves(
    api: PodsApi, find: Discovery, pages: Pages, tmp_path: Path
) -> None:
    """Without a collector its holders may hold its devices still; once the cluster has it no longer, they do not."""
    node, other = ANode("a"), ANode("b")
    api.pods, api.nodes = [pages.pod(node, "127.0.0.1"), pages.pod(other, "127.0.0.2")], {"a", "b"}
    engine = finding_engine(tmp_path, find)
    assert live(engine, node, other) == {LIST: "ok", "node/a": "ok", "node/b": "ok"}
    del api.pods[0]
    assert live(engine, other) == {LIST: "ok", "node/a": "no_collector", "node/b": "ok"}
    assert retired(engine) == set()
    unseen = engine.judge(a_moment(3660)).subjects["unobserved_seconds"].sum()
    assert unseen == pytest.approx(3600 + 3540)
    api.nodes.remove("a")
    assert live(engine, other) == {LIST: "ok", "node/b": "ok"}
    assert retired(engine) == {"a"}
    assert targets_in_force(engine.ledger.counters(engine.ledger.snapshots()[-1])) == {"node/b"}
    api.asked.clear()
    assert live(engine, other) == {LIST: "ok", "node/b": "ok"}
    assert [each for each in api.asked if "/nodes/" in each] == []


@pytest.mark.parametrize("begins_anew", [False, True])
def test_an_api_server_that_is_away_retires_nobody(
    api: PodsApi,
    account: Path,
    pages: Pages,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    begins_anew: bool,
) -> None:
    """Known addresses are asked on; an engine that begins in such a time knows none and waits. Said once each way."""
    node = ANode("a")
    api.pods = [pages.pod(node, "127.0.0.1")]
    engine = finding_engine(tmp_path, finder(api, account))
    live(engine, node)
    api.fault = FORBIDDEN
    engine = finding_engine(tmp_path, finder(api, account)) if begins_anew else engine
    for _ in range(3):
        heard = live(engine, node)
        assert heard == {LIST: "undiscovered", "node/a": "undiscovered" if begins_anew else "ok"}
        assert retired(engine) == set()
    (why,) = latest_targets(engine.ledger).filter(pl.col("target") == LIST)["detail"]
    assert why.startswith("HTTP 403 Forbidden: pods is forbidden")
    with caplog.at_level("INFO"):
        api.fault = None
        assert live(engine, node) == {LIST: "ok", "node/a": "ok"}
    assert [each.getMessage() for each in caplog.records if LIST in each.getMessage()] == [
        f"target.undiscovered target={LIST} detail={why.rpartition('; check')[0]}",
        f"target.ok target={LIST} detail=",
    ]
    windows = engine.ledger.read("windows")
    assert (windows["held_seconds"].sum(), windows["unwatched_seconds"].sum()) == (5 * CYCLE_SECONDS, 0)


def test_an_address_of_another_node_brings_nothing(api: PodsApi, find: Discovery, pages: Pages, tmp_path: Path) -> None:
    """When an old address has come to another node's pod, that page is not taken under this node's name."""
    node, newcomer = ANode("a"), ANode("b")
    api.pods = [pages.pod(node, "127.0.0.1")]
    engine = finding_engine(tmp_path, find)
    live(engine, node)
    api.fault = FORBIDDEN
    pages.pages["127.0.0.1"] = newcomer
    newcomer.now = node.now
    assert live(engine, newcomer)["node/a"] == "other_node"
    api.fault = None
    api.pods = [pages.pod(node, "127.0.0.2"), pages.pod(newcomer, "127.0.0.1")]
    node.run(CYCLE_SECONDS, [POD])
    assert live(engine, node, newcomer) == {LIST: "ok", "node/a": "ok", "node/b": "ok"}
    assert engine.ledger.read("windows")["unwatched_seconds"].sum() == 0


def test_from_a_list_to_the_cluster_and_back(api: PodsApi, find: Discovery, pages: Pages, tmp_path: Path) -> None:
    """The way in which a collector is found changes no number: its node goes on under the other name."""
    node = ANode("a")
    api.pods = [pages.pod(node, "127.0.0.1")]
    by_list = find_targets(f"http://127.0.0.1:{pages.port}/metrics")
    for way in (by_list, find, by_list):
        engine = finding_engine(tmp_path, way)
        assert "ok" in live(engine, node).values()
        assert retired(engine) == set()
    windows = engine.ledger.read("windows")
    assert (windows["held_seconds"].sum(), windows["unwatched_seconds"].sum()) == (3 * CYCLE_SECONDS, 0)
    assert set(engine.ledger.read("targets")["target"]) == {
        LIST, "node/a", f"http://127.0.0.1:{pages.port}/metrics",
    }  # fmt: skip


# Settings


@pytest.fixture
def in_a_pod(account: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kubelet gives a pod; nobody listens at the API server's port."""
    monkeypatch.setattr(apiserver, "SERVICE_ACCOUNT", account)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    return account


def test_the_settings_are_checked_without_asking(in_a_pod: Path) -> None:
    """With token, authority and address there is a finder; whether anybody answers is the cycle's affair."""
    assert states(find_targets(LIST)(())) == {LIST: "undiscovered"}


def test_a_pod_finds_its_collectors(in_a_pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a cluster: address from the environment, TLS, the mounted authority and token."""
    with a_pods_api(tls=True) as api:
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.address.rpartition(":")[2])
        api.pods = [a_pod("a", "10.0.0.1")]
        assert urls(find_targets(LIST)(())) == {"node/a": "http://10.0.0.1:9478/metrics"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kubernetes:", "names no namespace; write it as kubernetes:flopwatch-nodes"),
        ("kubernetes:a/b", "names no namespace"),
        ("kubernetes:A", "names no namespace"),
        ("kubernetes:a.b", "names no namespace"),
        (f"kubernetes:{'a' * 64}", "names no namespace"),
        ("kubernetes:a,kubernetes:b", "names no namespace"),
    ],
)
def test_a_namespace_that_cannot_be_one_is_refused(in_a_pod: Path, text: str, words: str) -> None:
    """What is no name of a namespace is said before anything else."""
    with pytest.raises(UnusableSettings, match=words):
        find_targets(text)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("KUBERNETES_SERVICE_HOST", "", "KUBERNETES_SERVICE_HOST is not set"),
        ("KUBERNETES_SERVICE_PORT", "", "KUBERNETES_SERVICE_HOST is not set"),
        ("KUBERNETES_SERVICE_PORT", "99999", "is not an API server's URL"),
        ("KUBERNETES_SERVICE_HOST", "a@b", "the API server's address has a user or password"),
    ],
)
def test_an_environment_that_is_no_pods_is_refused(
    in_a_pod: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """Outside of a cluster the setting says what it would need."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(UnusableSettings, match=words):
        find_targets(LIST)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("token", None, r"token: cannot be read \(No such file or directory\); mount the service account's token"),
        ("token", "", "token: holds no token; mount"),
        ("ca.crt", None, r"ca\.crt: cannot be used \(No such file or directory\); mount"),
        ("ca.crt", "nothing", r"ca\.crt: cannot be used \(\[X509"),
    ],
)
def test_a_pod_without_its_account_is_refused(in_a_pod: Path, file: str, content: str | None, words: str) -> None:
    """A missing mount is said at the start, by its file."""
    (in_a_pod / file).unlink()
    if content is not None:
        (in_a_pod / file).write_text(content)
    with pytest.raises(UnusableSettings, match=words):
        find_targets(LIST)


@pytest.mark.parametrize(
    ("server", "usable"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://10.0.0.1:1", False),
        ("http://127.0.0.1.example.com:1", False),
        ("https://10.0.0.1:1", True),
    ],
)
def test_a_token_goes_over_tls_or_stays_on_the_machine(account: Path, server: str, usable: bool) -> None:
    """Plain HTTP is for loopback."""
    assert (Access(server=server, account=account).fault() == "") is usable


def test_an_address_in_ipv6_gets_its_brackets() -> None:
    """The environment has it without."""
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert Access.of_pod(environment).server == "https://[fd00::1]:443"
