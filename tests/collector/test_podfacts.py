import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_server import a_pod

from collector.holding import RESOURCES
from collector.pods.book import PodBook
from collector.pods.facts import Garbled, PodFacts, pod_facts, pods_in, read_json, version_of
from collector.readings import Absent, Why

UNKNOWN = Absent(Why.NAMESPACE_UNKNOWN)
HOUR_NS = 3_600_000_000_000


def facts(pod: dict[str, Any]) -> PodFacts:
    """What is kept of a pod that came as JSON."""
    return pod_facts(read_json(json.dumps(pod).encode(), resources=RESOURCES), UNKNOWN)


def a_status(name: str, **state: Any) -> dict[str, Any]:
    """What the kubelet reports of a container."""
    return {"name": name, "state": state, "image": "registry/secret:1"}


class TestContainers:
    """The containers of a pod, and which of them may still hold devices."""

    def test_kinds_are_told_apart(self) -> None:
        """Init containers that always restart are sidecars; the order is that of the pod."""
        init = [{"name": "copy"}, {"name": "proxy", "restartPolicy": "Always"}]
        found = facts(a_pod(initContainers=init))
        assert [(each.name, each.kind) for each in found.containers] == [
            ("copy", "init"),
            ("proxy", "sidecar"),
            ("main", "ordinary"),
        ]

    @pytest.mark.parametrize(
        ("state", "init_ended", "ordinary_ended"),
        [
            ({"running": {"startedAt": "2026-05-13T00:00:00Z"}}, False, False),
            ({"waiting": {"reason": "CrashLoopBackOff"}}, False, False),
            ({"terminated": {"exitCode": 0}}, True, True),
            ({"terminated": {"exitCode": 1}}, False, True),
            ({}, False, False),
        ],
    )
    def test_an_init_container_has_ended_when_it_succeeded(
        self, state: dict[str, Any], init_ended: bool, ordinary_ended: bool
    ) -> None:
        """A failed init container will be started again; any other container that terminated has ended."""
        pod = a_pod(initContainers=[{"name": "copy"}])
        pod["status"]["initContainerStatuses"] = [a_status("copy", **state)]
        pod["status"]["containerStatuses"] = [a_status("main", **state)]
        assert [each.ended for each in facts(pod).containers] == [init_ended, ordinary_ended]

    @pytest.mark.parametrize(
        ("limits", "asks"),
        [
            ({"nvidia.com/gpu": "8", "cpu": "4", "memory": "1Gi", "example.com/widget": "2"}, {"nvidia.com/gpu": 8}),
            ({"nvidia.com/gpu": 1, "amd.com/gpu": "2"}, {"nvidia.com/gpu": 1, "amd.com/gpu": 2}),
            (
                {"nvidia.com/gpu.shared": "1k", "nvidia.com/pgpu": "2"},
                {"nvidia.com/gpu.shared": 1000, "nvidia.com/pgpu": 2},
            ),
            ({"huawei.com/Ascend910": "1", "habana.ai/gaudi": "8"}, {"huawei.com/Ascend910": 1, "habana.ai/gaudi": 8}),
            ({"nvidia.com/gpu": "many"}, {}),
            ({}, {}),
            (None, {}),
        ],
    )
    def test_the_devices_that_a_container_asks_for_are_counted(self, limits: object, asks: dict[str, int]) -> None:
        """Of its limits those of metered resources, and nothing else; whole numbers, as Kubernetes writes them."""
        container = {"name": "copy", "resources": {"limits": limits, "requests": {"nvidia.com/gpu": "4"}}}
        assert [dict(each.asks) for each in facts(a_pod(initContainers=[container])).containers] == [asks, {}]

    def test_of_limits_only_gpus_are_read(self) -> None:
        """What else a tenant asks for never becomes part of an object here."""
        text = b'{"resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": "1"}, "requests": {"cpu": "1"}}}'
        assert read_json(text, resources=RESOURCES) == {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
        assert read_json(text) == {"resources": {"limits": {}}}

    def test_what_the_kubelet_has_not_reported_has_not_ended(self) -> None:
        """A pod without status, as it is before the kubelet took it, has containers that have not ended."""
        pod = a_pod()
        del pod["status"]
        assert [each.ended for each in facts(pod).containers] == [False]


@pytest.mark.parametrize(
    ("phase", "finished"),
    [("Pending", False), ("Running", False), ("Unknown", False), ("Succeeded", True), ("Failed", True)],
)
def test_a_pod_is_finished_when_it_succeeded_or_failed(phase: str, finished: bool) -> None:
    """The two last phases are the end; an unknown one is not."""
    assert facts(a_pod(phase=phase)).finished is finished


def test_the_parser_drops_what_is_the_tenants_own() -> None:
    """Images, environment, arguments and unknown labels are gone before an object is made of them."""
    pod = a_pod()
    pod["spec"]["containers"][0]["args"] = ["--secret"]
    assert "secret" not in repr(read_json(json.dumps(pod).encode()))


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"metadata": {"name": "x", "namespace": "y"}},
        {"metadata": {"name": "x", "namespace": "y", "uid": 7}},
        {"metadata": []},
        {"metadata": {"name": "x", "namespace": "y", "uid": "z"}, "spec": {"containers": {"name": "main"}}},
        {"metadata": {"name": "x", "namespace": "y", "uid": "z"}, "spec": {"containers": ["main"]}},
        {"metadata": {"name": "x", "namespace": "y", "uid": "z", "labels": ["a"]}},
    ],
)
def test_what_is_no_pod_is_garbled(pod: dict[str, Any]) -> None:
    """An object that lacks what every pod has, or has it in another form, is refused."""
    with pytest.raises(Garbled):
        facts(pod)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "items", "name", "uid", "namespace", "spec", "status", "containers", "labels"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_the_server_says_is_read_or_garbled(value: object) -> None:
    """No JSON makes the reading fail in any other way."""
    with suppress(Garbled):
        answer = read_json(json.dumps(value).encode())
        for pod in pods_in(answer):
            pod_facts(pod, UNKNOWN)
        version_of(answer)


class TestPodBook:
    """Pods that are there, and those that went."""

    def test_what_a_list_lacks_went_unseen(self) -> None:
        """A pod that a list does not have is deleted; the others are as the list says."""
        book = PodBook(HOUR_NS)
        book.replace_all([facts(a_pod("a")), facts(a_pod("b"))], 0)
        book.replace_all([facts(a_pod("b", phase="Failed"))], 10)
        found = {key[1]: (pod.deleted, pod.finished) for key, pod in book.snapshot().items()}
        assert found == {"a": (True, False), "b": (False, True)}

    def test_a_deleted_pod_is_kept_from_its_first_end_on(self) -> None:
        """However often a pod is said to be gone, it is forgotten a while after the first time."""
        book = PodBook(HOUR_NS)
        book.put(facts(a_pod()))
        book.delete(facts(a_pod()), 0)
        book.replace_all([], 10)
        assert not book.forget_deleted(HOUR_NS - 1)
        assert book.forget_deleted(HOUR_NS)
        assert (dict(book.snapshot()), book.namespaces()) == ({}, set())

    def test_a_claim_is_for_all_pods_of_the_namespace(self) -> None:
        """A new claim reaches the deleted pods of its namespace too, and no other namespace."""
        book = PodBook(HOUR_NS)
        for pod in (a_pod("a"), a_pod("b"), a_pod("c", namespace="tenant-b")):
            book.put(facts(pod))
        book.delete(facts(a_pod("b")), 0)
        book.claim("tenant-a", "t-0001")
        assert [pod.tenant_id for pod in book.snapshot().values()] == ["t-0001", "t-0001", UNKNOWN]
        assert (book.is_met("tenant-a"), book.is_met("tenant-c")) == (True, False)
