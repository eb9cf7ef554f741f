import json
from typing import Any

import pytest

from collector.pods.workloads import Workload, workload_of
from collector.readings import Absent, Why

UNKNOWN = Absent(Why.NO_DATA)
JOBSET = {"jobset.sigs.k8s.io/jobset-name": "train", "jobset.sigs.k8s.io/jobset-uid": "uid-js"}
RAY = {"ray.io/originated-from-cr-name": "train", "ray.io/originated-from-crd": "RayJob"}
MPI = {"training.kubeflow.org/job-name": "train", "training.kubeflow.org/operator-name": "mpi-operator"}


def owned_by(kind: str, name: str = "owner", version: str = "v1", *, controller: bool = True) -> list[dict[str, Any]]:
    """The pod's owner references."""
    return [{"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": controller}]


def workload(owners: object, labels: dict[str, str] | None = None, virtual: str = "", kept: str = "") -> Workload:
    """The workload of a pod with these owners and labels, and the owners and labels it has in a virtual cluster."""
    annotations = {"vcluster.loft.sh/owner-references": virtual, "vcluster.loft.sh/labels": kept}
    return workload_of(
        name="pod-0",
        uid="uid-pod",
        labels=labels or {},
        annotations={key: value for key, value in annotations.items() if value},
        owners=owners,
    )


BARE = Workload(kind="Pod", name="pod-0", uid="uid-pod")


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Job", "batch/v1"),
        ("StatefulSet", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("PyTorchJob", "kubeflow.org/v1"),
        ("MPIJob", "kubeflow.org/v2beta1"),
        ("TFJob", "kubeflow.org/v1"),
        ("XGBoostJob", "kubeflow.org/v1"),
        ("PaddleJob", "kubeflow.org/v1"),
        ("JAXJob", "kubeflow.org/v1"),
        ("RayCluster", "ray.io/v1"),
    ],
)
def test_an_owner_without_more_is_the_workload(kind: str, version: str) -> None:
    """What the pod names as its controller is its workload, with UID, when no label tells of more."""
    assert workload(owned_by(kind, version=version)) == Workload(kind=kind, name="owner", uid="uid-owner")


@pytest.mark.parametrize(
    ("below", "labels", "expected"),
    [
        ("Job", JOBSET, Workload(kind="JobSet", name="train", uid="uid-js")),
        (
            "Job",
            {**JOBSET, "trainer.kubeflow.org/trainjob-ancestor-step": "trainer"},
            Workload(kind="TrainJob", name="train", uid=UNKNOWN),
        ),
        ("Job", MPI, Workload(kind="MPIJob", name="train", uid=UNKNOWN)),
        ("Job", RAY, Workload(kind="RayJob", name="train", uid=UNKNOWN)),
        ("RayCluster", RAY, Workload(kind="RayJob", name="train", uid=UNKNOWN)),
        (
            "RayCluster",
            {**RAY, "ray.io/originated-from-crd": "RayService"},
            Workload(kind="RayService", name="train", uid=UNKNOWN),
        ),
        (
            "StatefulSet",
            {"leaderworkerset.sigs.k8s.io/name": "serve"},
            Workload(kind="LeaderWorkerSet", name="serve", uid=UNKNOWN),
        ),
    ],
)
def test_labels_tell_what_stands_above_the_owner(below: str, labels: dict[str, str], expected: Workload) -> None:
    """The labels of a controller name the owner above the direct one; its UID is known where a label has it."""
    assert workload(owned_by(below), labels) == expected


def test_a_replica_set_tells_its_deployment() -> None:
    """A ReplicaSet's name less the template's hash is its Deployment; without that ending it stays itself."""
    hashed = {"pod-template-hash": "84cd76b964"}
    deployment = Workload(kind="Deployment", name="web", uid=UNKNOWN)
    assert workload(owned_by("ReplicaSet", "web-84cd76b964"), hashed) == deployment
    assert workload(owned_by("ReplicaSet", "web-other"), hashed).kind == "ReplicaSet"
    assert workload(owned_by("ReplicaSet", "web"), {"pod-template-hash": ""}).name == "web"


@pytest.mark.parametrize("labels", [JOBSET, RAY, MPI, {"leaderworkerset.sigs.k8s.io/name": "serve"}])
def test_labels_without_their_owner_tell_nothing(labels: dict[str, str]) -> None:
    """A pod that only wears the labels of a controller stays what it is."""
    assert workload(None, labels) == BARE
    assert workload(owned_by("DaemonSet"), labels).kind == "DaemonSet"


def test_another_operators_label_is_not_ours() -> None:
    """A job label counts above a Job only if the MPI operator made it."""
    labels = {**MPI, "training.kubeflow.org/operator-name": "pytorchjob-controller"}
    assert workload(owned_by("Job"), labels).kind == "Job"


def test_a_queue_owns_nothing() -> None:
    """The Kueue queue in which a pod waited is not its workload."""
    assert workload(None, {"kueue.x-k8s.io/queue-name": "gpu"}) == BARE


def test_a_volcano_job_has_its_own_kind() -> None:
    """Volcano's Job is told from Kubernetes' own by its API group."""
    assert workload(owned_by("Job", version="batch.volcano.sh/v1alpha1")).kind == "VolcanoJob"
    assert workload(owned_by("Job", version="batch.volcano.sh/v1alpha1"), JOBSET).kind == "VolcanoJob"


@pytest.mark.parametrize(
    "owners",
    [None, [], "?", [7], owned_by("Job", controller=False), owned_by("Node"), [{"controller": "true"}]],
)
def test_a_pod_without_controller_is_its_own_workload(owners: object) -> None:
    """No controller, a node, or owner references of no known form: the pod itself."""
    assert workload(owners) == BARE


class TestSyncedByAVcluster:
    """Pods that a virtual cluster copies into its host namespace, where a Service owns them."""

    SERVICE = owned_by("Service", "dev")

    def test_the_owner_within_is_the_workload(self) -> None:
        """The owner that the annotation names counts, with the labels that the other annotation kept."""
        owners = json.dumps(owned_by("ReplicaSet", "web-84cd76b964", "apps/v1"))
        kept = 'app="nginx"\npod-template-hash="84cd76b964"'
        assert workload(self.SERVICE, virtual=owners).kind == "ReplicaSet"
        deployment = Workload(kind="Deployment", name="web", uid=UNKNOWN)
        assert workload(self.SERVICE, virtual=owners, kept=kept) == deployment

    def test_a_bare_pod_within_is_bare(self) -> None:
        """A pod that nothing owns in its virtual cluster is its own workload, and so is one with an odd annotation."""
        assert workload(self.SERVICE, virtual="[]") == BARE
        assert workload(self.SERVICE, virtual="no json") == BARE

    def test_an_annotation_does_not_outdo_a_real_owner(self) -> None:
        """A pod with a controller on the host keeps it, whatever its annotations say."""
        assert workload(owned_by("Job"), virtual=json.dumps(owned_by("StatefulSet"))).kind == "Job"
