"""
To which workload a pod belongs: its topmost owner, as far as the pod itself tells. Pure.

A pod names its direct owner (the ``ownerReferences`` entry with ``controller: true``); labels that controllers put on
their pods tell what stands above it. No further object is read, so what only another object knows stays unsaid:

- the CronJob above a Job (it is written on the Job alone), and the RayJob above a RayCluster where KubeRay did not pass
  its label down to the pod;
- the UID of an owner that is known by a label only;
- a queue (``kueue.x-k8s.io/queue-name``) is where work waits and owns nothing.

A label counts only above the owner that its controller makes: on a pod without that owner it is somebody's decoration.
Even so whoever may create pods in a namespace can name any owner there. A workload stitches runs within one tenant and
never decides whose they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from collector.readings import Absent, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The topmost owner known. ``uid`` is ``Absent(NO_DATA)`` where only its name could be told."""

    kind: str
    name: str
    uid: str | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The pod's direct owner; ``group`` is the API group of its kind, empty for the core group."""

    group: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One thing that labels can tell: above an owner of kind ``below`` stands one of kind ``kind``.

    Its name is the value of ``name_label``, or the owner's name without ``-`` and the value of ``suffix_label``; its
    UID is the value of ``uid_label``. With ``marker`` it holds only for pods that have that label, with the value
    ``marked`` if there is one.
    """

    below: str
    kind: str
    name_label: str = ""
    suffix_label: str = ""
    uid_label: str = ""
    marker: str = ""
    marked: str = ""


JOBSET_NAME = "jobset.sigs.k8s.io/jobset-name"  # JobSet, docs/concepts: on its Jobs and their pods
JOBSET_UID = "jobset.sigs.k8s.io/jobset-uid"
TRAINJOB_STEP = (
    "trainer.kubeflow.org/trainjob-ancestor-step"  # kubeflow/trainer, pkg/constants; its JobSet has its name
)
KUBEFLOW_JOB = "training.kubeflow.org/job-name"  # kubeflow/training-operator, pkg/apis/kubeflow.org/v1
KUBEFLOW_OPERATOR = "training.kubeflow.org/operator-name"
RAY_ORIGIN_NAME = "ray.io/originated-from-cr-name"  # ray-project/kuberay, controllers/ray/utils/constant.go
RAY_ORIGIN_KIND = "ray.io/originated-from-crd"
LEADER_WORKER_SET = "leaderworkerset.sigs.k8s.io/name"  # kubernetes-sigs/lws: on leaders and workers
POD_TEMPLATE_HASH = "pod-template-hash"  # Kubernetes, concepts/workloads/controllers/deployment

STEPS = (
    Step(below="Job", kind="TrainJob", name_label=JOBSET_NAME, marker=TRAINJOB_STEP),
    Step(below="Job", kind="JobSet", name_label=JOBSET_NAME, uid_label=JOBSET_UID),
    Step(below="Job", kind="MPIJob", name_label=KUBEFLOW_JOB, marker=KUBEFLOW_OPERATOR, marked="mpi-operator"),
    Step(below="Job", kind="RayJob", name_label=RAY_ORIGIN_NAME, marker=RAY_ORIGIN_KIND, marked="RayJob"),
    Step(below="RayCluster", kind="RayJob", name_label=RAY_ORIGIN_NAME, marker=RAY_ORIGIN_KIND, marked="RayJob"),
    Step(
        below="RayCluster", kind="RayService", name_label=RAY_ORIGIN_NAME, marker=RAY_ORIGIN_KIND, marked="RayService"
    ),
    Step(below="StatefulSet", kind="LeaderWorkerSet", name_label=LEADER_WORKER_SET),
    Step(below="ReplicaSet", kind="Deployment", suffix_label=POD_TEMPLATE_HASH),
)
"""The first that holds, wins. Kinds whose pods name them as owner (PyTorchJob, StatefulSet, …) need no step."""

SAME_NAME = {("batch.volcano.sh", "Job"): "VolcanoJob"}
"""Kinds called like another one of Kubernetes, by group and kind: what they are called here."""

NO_WORKLOADS = frozenset({"Node"})
"""Owners that are no workload: a pod from the kubelet's own folder is owned by its node."""

VCLUSTER_OWNERS = "vcluster.loft.sh/owner-references"  # loft-sh/vcluster, controllers/resources/pods/translate
VCLUSTER_LABELS = "vcluster.loft.sh/labels"
VCLUSTER_SERVICE = "Service"

LABELS = frozenset(
    label for step in STEPS for label in (step.name_label, step.suffix_label, step.uid_label, step.marker) if label
)
"""The pod labels that are read here."""
ANNOTATIONS = frozenset({VCLUSTER_OWNERS, VCLUSTER_LABELS})
"""The pod annotations that are read here."""


def workload_of(
    *, name: str, uid: str, labels: Mapping[str, str], annotations: Mapping[str, str], owners: object
) -> Workload:
    """
    The workload of the pod with this name and UID; one without owner is its own, of kind ``Pod``.

    ``owners``: its ``ownerReferences`` as the API gives them. The pods that a vcluster syncs into its host namespace
    belong to a Service there; their owner within the vcluster is in an annotation.
    """
    owner = _controller(owners)
    if (owner is None or owner.kind == VCLUSTER_SERVICE) and VCLUSTER_OWNERS in annotations:
        owner = _virtual_owner(annotations[VCLUSTER_OWNERS])
        labels = {**labels, **_virtual_labels(annotations.get(VCLUSTER_LABELS, ""))}
    if owner is None or owner.kind in NO_WORKLOADS:
        return Workload(kind="Pod", name=name, uid=uid)
    return _top(owner, labels)


def _top(owner: Owner, labels: Mapping[str, str]) -> Workload:
    kind = SAME_NAME.get((owner.group, owner.kind), owner.kind)
    for step in STEPS:
        above = _name(step, owner, labels) if step.below == kind and _is_marked(step, labels) else ""
        if above:
            uid = labels.get(step.uid_label) or Absent(Why.NO_DATA)
            return Workload(kind=step.kind, name=above, uid=uid)
    return Workload(kind=kind, name=owner.name, uid=owner.uid)


def _is_marked(step: Step, labels: Mapping[str, str]) -> bool:
    return not step.marker or (step.marker in labels and step.marked in ("", labels[step.marker]))


def _name(step: Step, owner: Owner, labels: Mapping[str, str]) -> str:
    """The upper owner's name; empty where the labels do not tell it."""
    if step.name_label:
        return labels.get(step.name_label, "")
    suffix = "-" + labels.get(step.suffix_label, "")
    return owner.name.removesuffix(suffix) if len(suffix) > 1 and owner.name.endswith(suffix) else ""


def _controller(owners: object) -> Owner | None:
    """The owner that manages the pod; others only want it to be deleted with them."""
    for each in owners if isinstance(owners, list) else ():
        if isinstance(each, dict) and each.get("controller") is True:
            return _owner(each)
    return None


def _owner(reference: Mapping[str, object]) -> Owner:
    texts = {key: str(reference.get(key) or "") for key in ("apiVersion", "kind", "name", "uid")}
    group = texts["apiVersion"].rpartition("/")[0]
    return Owner(group=group, kind=texts["kind"], name=texts["name"], uid=texts["uid"])


def _virtual_owner(annotation: str) -> Owner | None:
    try:
        return _controller(json.loads(annotation))
    except ValueError:
        return None  # not written by a vcluster


def _virtual_labels(annotation: str) -> dict[str, str]:
    """Labels from lines of ``key="value"``; the syncer replaces the pod's own by digests."""
    pairs = (line.partition("=") for line in annotation.splitlines())
    return {key: value.strip('"') for key, _, value in pairs if value}
