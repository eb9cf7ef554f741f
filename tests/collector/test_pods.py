import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.api_server import CA_FILE, TLS, TOKEN, ApiServerDouble, Fault, a_pod, an_api_server
from support.http import until
from support.nodes import EPOCH, ToldClock
from support.scenarios import Moment
from support.watching import QUICK, a_token_file, restarted_for, stale_for, synced, there, watched_anew, watching

from collector.readings import Absent, Why

GONE = b'{"kind": "Status", "code": 410, "reason": "Expired"}'


@pytest.fixture
def server() -> Iterator[ApiServerDouble]:
    """An API server with one pod of tenant-a."""
    with an_api_server() as server:
        server.pods["uid-pod-0"] = a_pod()
        yield server


class TestSteadyState:
    """What is asked for while nothing goes wrong."""

    def test_one_list_one_watch_one_namespace(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """Changes of pods and bookmarks come by the one watch; nothing else is ever asked for."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            for number in range(1, 6):
                server.put(a_pod(f"pod-{number}"))
                server.bookmark()
            server.put(a_pod("pod-5", phase="Succeeded"), "MODIFIED")
            until(lambda: there(pods, "pod-5").finished, "the last change is known")
            assert {kind: server.count(kind) for kind in ("list", "watch", "namespace")} == pods.counters().requests
        assert [each.kind for each in server.asked] == ["list", "namespace", "watch"]

    def test_the_questions_are_scoped_to_the_node(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """List and watch select the node; the list takes any version, the watch bookmarks and half to one hour."""
        with watching(server, tmp_path) as pods:
            synced(pods)
        scope = {"fieldSelector": "spec.nodeName=node-a"}
        assert server.last("list").query == {**scope, "resourceVersion": "0"}
        watch = dict(server.last("watch").query)
        assert 1800 <= int(watch.pop("timeoutSeconds")) <= 3600
        assert watch == {**scope, "watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "100"}

    def test_of_a_namespace_only_metadata_is_asked_for(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A namespace's labels come as PartialObjectMetadata."""
        with watching(server, tmp_path) as pods:
            synced(pods)
        asked = server.last("namespace")
        assert asked.path == "/api/v1/namespaces/tenant-a"
        assert asked.headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

    def test_the_view_never_changes(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A view taken once stays as it was; a new one has the change."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            before = pods.pods()
            server.put(a_pod("pod-1"))
            there(pods, "pod-1")
        assert set(before.pods) == {("tenant-a", "pod-0")}
        with pytest.raises(TypeError):
            before.pods["tenant-a", "pod-0"] = before.pods["tenant-a", "pod-0"]  # type: ignore[index]


class TestPods:
    """What becomes of pods."""

    def test_what_is_kept_of_a_pod(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """UID, workload, containers and the namespace's claim are kept, and nothing of what the tenant runs."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            pod = there(pods, "pod-0")
        assert (pod.uid, pod.finished, pod.deleted, pod.tenant_id) == ("uid-pod-0", False, False, "t-0001")
        assert (pod.workload.kind, pod.workload.name, pod.workload.uid) == ("Job", "train", "uid-train")
        assert [(each.name, each.kind, each.ended) for each in pod.containers] == [("main", "ordinary", False)]
        assert "secret" not in repr(pods.pods())

    def test_a_deleted_pod_is_kept_for_a_while(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A pod that went stays known, marked, until its time is up: its containers may outlive it."""
        moment = Moment()
        with watching(server, tmp_path, clock=ToldClock(moment)) as pods:
            synced(pods)
            server.delete(server.pods["uid-pod-0"])
            until(lambda: there(pods, "pod-0").deleted, "the pod went")
            moment.seconds = QUICK.deleted_kept
            server.bookmark()
            until(lambda: not pods.pods().pods, "the pod is forgotten")

    def test_a_pod_made_anew_takes_the_place_of_the_old_one(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A new pod of the same name has another UID, and the old one's late end does not touch it."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            old, new = server.pods["uid-pod-0"], a_pod()
            new["metadata"]["uid"] = "uid-new"
            server.put(new)
            server.delete(old)
            server.put(a_pod("pod-1"))
            there(pods, "pod-1")
            assert (there(pods, "pod-0").uid, there(pods, "pod-0").finished) == ("uid-new", False)


class TestNamespaces:
    """What the labels of namespaces become."""

    def test_a_changed_label_is_seen_when_the_watch_is_opened_anew(
        self, server: ApiServerDouble, tmp_path: Path
    ) -> None:
        """Another tenant id on the namespace reaches all its pods with the next watch."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.namespaces["tenant-a"] = {"flopwatch.io/tenant-id": "t-0002"}
            server.bookmark()
            server.close_watch()
            until(lambda: there(pods, "pod-0").tenant_id == "t-0002", "the new label is known")
            assert pods.counters().watch_restarts["server_closed"] == 1
            assert server.count("list") == 1

    def test_a_namespace_without_label_claims_nothing(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A namespace without the label is read once and claims nothing."""
        server.namespaces["tenant-b"] = {"team": "b"}
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.put(a_pod("pod-1", namespace="tenant-b"))
            server.put(a_pod("pod-2", namespace="tenant-b"))
            assert there(pods, "pod-2", "tenant-b").tenant_id == Absent(Why.NOT_CLAIMED)
            assert server.count("namespace") == 2

    @pytest.mark.parametrize(
        ("fault", "why"),
        [
            (Fault(status=403), Why.NO_PERMISSION),
            (Fault(status=404), Why.NAMESPACE_UNKNOWN),
            (Fault(status=500), Why.NAMESPACE_UNKNOWN),
            (Fault(body=b"no json"), Why.NAMESPACE_UNKNOWN),
            (Fault(body=b"{}"), Why.NAMESPACE_UNKNOWN),
        ],
    )
    def test_a_namespace_that_cannot_be_read_is_absent_with_the_reason(
        self, server: ApiServerDouble, tmp_path: Path, fault: Fault, why: Why
    ) -> None:
        """A refused, missing or garbled namespace leaves its pods known, without a claim, and the watch going."""
        server.fail("namespace", fault)
        with watching(server, tmp_path) as pods:
            synced(pods)
            assert there(pods, "pod-0").tenant_id == Absent(why)

    def test_a_passing_fault_is_mended_at_the_next_bookmark(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """Labels that could not be read for a passing reason are read at the next sign of life."""
        server.fail("namespace", Fault(status=503))
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.bookmark()
            until(lambda: there(pods, "pod-0").tenant_id == "t-0001", "the claim is known")

    def test_a_namespace_that_is_gone_still_says_whose_its_last_pods_are(
        self, server: ApiServerDouble, tmp_path: Path
    ) -> None:
        """A claim that was read outlives its namespace while pods of it are left; nobody asks again and again."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            del server.namespaces["tenant-a"]
            server.bookmark()
            server.close_watch()
            watched_anew(server)
            server.bookmark()
            server.put(a_pod("pod-1"))
            assert there(pods, "pod-1").tenant_id == there(pods, "pod-0").tenant_id == "t-0001"
            assert server.count("namespace") == 2

    def test_a_namespace_made_anew_is_read_anew(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """When the first pod comes to a namespace that had none left, its labels are read again."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.delete(server.pods["uid-pod-0"])
            server.namespaces["tenant-a"] = {"flopwatch.io/tenant-id": "t-0003"}
            server.put(a_pod("pod-1"))
            assert there(pods, "pod-1").tenant_id == "t-0003"


class TestTroubles:
    """What is done when the API server does not tell."""

    def test_a_watch_whose_time_is_up_is_opened_anew_at_once(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """The end of a watch is no trouble: the next one goes on from the last version heard, without a list."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.bookmark()
            server.close_watch()
            watched_anew(server)
            server.put(a_pod("pod-1"))
            there(pods, "pod-1")
            assert server.last("watch").query["resourceVersion"] == "101"
            assert (server.count("list"), pods.counters().relists) == (1, 0)

    def test_watches_that_end_without_a_word_are_a_trouble(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A server that ends one watch after the other is waited for, and the pods are stale meanwhile."""
        with watching(server, tmp_path, pace=replace(QUICK, first_wait=600.0, longest_wait=600.0)) as pods:
            synced(pods)
            server.close_watch()
            server.close_watch()
            stale_for(pods, "server_closed")
            assert server.count("watch") == 2

    @pytest.mark.parametrize("half", [b"", b'{"type": "ADDED", "object": {"metadata": {"na'])
    def test_a_broken_connection_goes_on_from_the_last_version(
        self, server: ApiServerDouble, tmp_path: Path, half: bytes
    ) -> None:
        """A connection that breaks, even within an event, is opened anew where it was; half an event is none."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.bookmark()
            server.drop_watch(half)
            restarted_for(pods, "connection_lost")
            assert server.last("watch").query["resourceVersion"] == "101"
            assert server.count("list") == 1

    def test_a_silent_connection_is_noticed(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A watch that says nothing for too long is a broken connection."""
        with watching(server, tmp_path, pace=replace(QUICK, silence=0.1)) as pods:
            restarted_for(pods, "silent", times=2)
            assert server.count("list") == 1

    def test_a_version_that_is_too_old_for_a_watch(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """410 as the answer to a watch: a list no older than what was heard, then a watch from there."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.bookmark()
            server.fail("watch", Fault(status=410))
            server.pods["uid-pod-1"] = a_pod("pod-1")
            server.close_watch()
            restarted_for(pods, "expired")
            there(pods, "pod-1")
            assert server.last("list").query["resourceVersion"] == "101"
            assert pods.counters().relists == 1

    def test_a_version_that_becomes_too_old_within_a_watch(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """410 as an event: what went unseen meanwhile is told as deleted after the list."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.pods.clear()
            server.say(b'{"type": "ERROR", "object": ' + GONE + b"}\n")
            restarted_for(pods, "expired")
            until(lambda: there(pods, "pod-0").deleted, "the pod went unseen")

    @pytest.mark.parametrize("status", [410, 504])
    def test_a_list_that_cannot_be_had_from_memory(self, server: ApiServerDouble, tmp_path: Path, status: int) -> None:
        """A version that the server has not got for a list either: the newest there is."""
        server.fail("list", Fault(status=status))
        with watching(server, tmp_path) as pods:
            synced(pods)
        assert "resourceVersion" not in server.last("list").query

    @pytest.mark.parametrize(
        "line",
        [
            b"no json\n",
            b'"text"\n',
            b"\n",
            b'{"type": "ADDED"}\n',
            b'{"type": "ADDED", "object": {"metadata": {"name": "x"}}}\n',
            b'{"type": "NEWS", "object": {"metadata": {"resourceVersion": "1"}}}\n',
            b"[" * 100_000 + b"\n",
            b'{"type": "\xff"}\n',
        ],
    )
    def test_garbage_is_followed_by_a_list(self, server: ApiServerDouble, tmp_path: Path, line: bytes) -> None:
        """A line that is no event ends the watch; a list begins it anew, and what was known stays."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.say(line)
            restarted_for(pods, "garbled")
            assert pods.counters().relists == 1
            assert there(pods, "pod-0").tenant_id == "t-0001"

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (401, "unauthorized"),
            (403, "forbidden"),
            (404, "not_found"),
            (429, "throttled"),
            (500, "server_error"),
            (503, "server_error"),
            (302, "server_error"),
        ],
    )
    @pytest.mark.parametrize("kind", ["list", "watch"])
    def test_refusals_are_told_apart(
        self, server: ApiServerDouble, tmp_path: Path, kind: str, status: int, reason: str
    ) -> None:
        """Each refusal has its own reason, and the watch goes on when it has passed."""
        server.fail(kind, Fault(status=status, headers={"Location": "http://127.0.0.1:1/"}))
        with watching(server, tmp_path) as pods:
            restarted_for(pods, reason)

    def test_an_error_within_the_watch_is_told_by_its_code(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """An ERROR event has the reason of its code; without one it is the server's error."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.say(b'{"type": "ERROR", "object": {"code": 429}}\n')
            restarted_for(pods, "throttled")
            server.say(b'{"type": "ERROR", "object": {}}\n')
            restarted_for(pods, "server_error")
            assert server.count("list") == 1

    def test_a_server_under_load_is_not_asked_for_more(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """While the watch is refused again and again, neither pods nor namespaces are read again."""
        server.fail("watch", *[Fault(status=429)] * 4)
        with watching(server, tmp_path) as pods:
            synced(pods)
            assert (server.count("list"), server.count("namespace"), server.count("watch")) == (1, 1, 5)

    def test_in_an_outage_one_namespace_is_asked_for_at_a_time(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """When the first namespace gets no answer the others are put off, and read when the server is well again."""
        for number in range(5):
            server.namespaces[f"tenant-{number}"] = {"flopwatch.io/tenant-id": f"t-{number}"}
            server.pods[f"uid-{number}"] = a_pod(f"pod-{number}", namespace=f"tenant-{number}")
        server.fail("namespace", Fault(status=503))
        with watching(server, tmp_path) as pods:
            synced(pods)
            assert server.count("namespace") == 1
            server.bookmark()
            until(lambda: there(pods, "pod-4", "tenant-4").tenant_id == "t-4", "all labels are known")
            assert server.count("namespace") == 7

    def test_retry_after_is_honoured(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A server that says after how long to come back is left alone for so long."""
        server.fail("list", Fault(status=429, headers={"Retry-After": "1"}))
        with watching(server, tmp_path) as pods:
            synced(pods)
        first, second = (each.at for each in server.asked if each.kind == "list")
        assert second - first >= 1.0

    def test_known_pods_stay_known_and_the_rest_is_unknown(self, tmp_path: Path) -> None:
        """Without the API server the view keeps its pods and says since when and why it is stale."""
        moment = Moment()
        moment.seconds = 60.0
        with an_api_server() as server:
            server.pods["uid-pod-0"] = a_pod()
            outage = watching(server, tmp_path, clock=ToldClock(moment))
            pods = outage.__enter__()
            synced(pods)
        try:
            moment.seconds = 90.0
            stale_for(pods, "unreachable")
            view = pods.pods()
            assert view.stale is not None
            assert (view.synced, view.stale.since_unix_seconds, set(view.pods)) == (
                False,
                EPOCH + 60.0,
                {("tenant-a", "pod-0")},
            )
        finally:
            outage.__exit__(None, None, None)

    def test_before_the_first_list_nothing_is_known(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A watch that has not begun says so."""
        server.fail("list", Fault(silent=True))
        with watching(server, tmp_path) as pods:
            until(lambda: bool(server.asked), "the list is asked for")
            view = pods.pods()
            server.stop_saying()
        assert (view.stale and view.stale.reason, dict(view.pods)) == ("starting", {})


class TestCredentials:
    """How the collector shows who it is, and sees whom it talks to."""

    def test_a_rotated_token_is_used_at_once(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """Every request has the token that its file has then."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            assert server.last("watch").headers["authorization"] == f"Bearer {TOKEN}"
            a_token_file(tmp_path, "another-token\n")
            server.bookmark()
            server.close_watch()
            watched_anew(server)
            assert server.last("watch").headers["authorization"] == "Bearer another-token"

    @pytest.mark.parametrize("token", ["", "two\nlines", "two words", "näh"])
    def test_a_token_that_cannot_be_one_is_not_sent(self, server: ApiServerDouble, tmp_path: Path, token: str) -> None:
        """A file without a usable token is its own reason, and no request is made."""
        with watching(server, tmp_path, token_file=a_token_file(tmp_path, token)) as pods:
            stale_for(pods, "no_credentials")
        assert server.asked == []

    def test_a_missing_token_is_its_own_reason(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A file that is not there yet is waited for."""
        path = tmp_path / "later"
        with watching(server, tmp_path, token_file=path) as pods:
            stale_for(pods, "no_credentials")
            path.write_text(TOKEN, encoding="utf-8")
            synced(pods)

    def test_the_token_is_never_logged(
        self, server: ApiServerDouble, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At the most talkative level no log line has the token, nor anything of a pod."""
        caplog.set_level(logging.DEBUG)
        server.fail("list", Fault(status=401))
        with watching(server, tmp_path) as pods:
            synced(pods)
            server.say(b'secret "\n')
            restarted_for(pods, "garbled")
        logged = "\n".join(record.getMessage() for record in caplog.records)
        assert "pods.stale reason=unauthorized" in logged
        assert "pods.synced pods=1" in logged
        assert not any(secret in logged for secret in (TOKEN, "secret", "tenant-a", "t-0001"))

    def test_over_tls(self, tmp_path: Path) -> None:
        """A server with a certificate of the given authority is watched; the end of it is as clean as without."""
        with an_api_server(tls=True) as server:
            server.pods["uid-pod-0"] = a_pod()
            with watching(server, tmp_path) as pods:
                synced(pods)
                server.put(a_pod("pod-1"))
                there(pods, "pod-1")
                server.drop_watch()
                until(lambda: sum(pods.counters().watch_restarts.values()) > 0, "the watch begins anew")
                synced(pods)

    def test_a_certificate_of_nobody_we_know_is_refused(self, tmp_path: Path) -> None:
        """A server with another authority's certificate gets no token, and the reason is the certificate."""
        with an_api_server(tls=True) as server:
            with watching(server, tmp_path, ca_file=TLS / "other-ca.pem") as pods:
                stale_for(pods, "certificate")
            assert (server.asked, CA_FILE.is_file()) == ([], True)


class TestTheEnd:
    """Starting and stopping."""

    def test_nothing_is_left_and_the_view_says_so(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """After stop there is no thread, and the pods are stale because nobody watches."""
        before = threading.active_count()
        with watching(server, tmp_path) as pods:
            synced(pods)
        view = pods.pods()
        assert (view.stale and view.stale.reason, len(view.pods)) == ("ended", 1)
        assert "pods" not in {thread.name for thread in threading.enumerate()}
        assert threading.active_count() <= before + 1  # the server's own, for a connection that just ended

    def test_stop_does_not_wait_for_a_long_pause(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """A pause between two attempts ends with the watch."""
        server.fail("list", Fault(status=429, headers={"Retry-After": "500"}))
        with watching(server, tmp_path) as pods:
            stale_for(pods, "throttled")
        assert server.count("list") == 1

    def test_stopping_what_was_never_started(self, server: ApiServerDouble, tmp_path: Path) -> None:
        """Stopping twice, or before the start, does nothing."""
        with watching(server, tmp_path) as pods:
            synced(pods)
            pods.stop()
            pods.stop()
