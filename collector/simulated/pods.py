"""
The pods of a scenario as written: ``[[workloads]]`` and their ``[[workloads.pods]]``.

A pod that is listed twice, at different times on the same node, is one pod with two phases.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from collector.readings import Absent, Holder, Why
from collector.simulated.gpus import Phase
from collector.simulated.instances import Instance
from collector.simulated.nodes import Node
from collector.simulated.recording import Recordings
from collector.simulated.signals import Stage, signal_patterns
from collector.simulated.tables import Table, from_to, uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One ``[[workloads.pods]]`` table: a pod's time on the devices of a node, ``recorded`` or scripted."""

    table: Table
    node: str
    phases: tuple[Phase, ...]
    recorded: bool

    @property
    def holder(self) -> Holder:
        """Who holds the devices."""
        return self.phases[0].holder

    def meets(self, other: "Pod") -> bool:
        """Whether both run on the same node at some moment."""
        mine, its = self.phases[0], other.phases[0]
        return self.node == other.node and mine.start < its.end and its.start < mine.end

    def shares_gpu(self, other: "Pod") -> bool:
        """Whether both are on one device at some moment."""
        return self.meets(other) and bool({p.gpu for p in self.phases} & {p.gpu for p in other.phases})


def read_pods(top: Table, nodes: Mapping[str, Node], duration_seconds: float) -> tuple[Pod, ...]:
    """All pods of all workloads. Raises ``ScenarioError``."""
    pods: list[Pod] = []
    seen: set[str] = set()
    recordings = Recordings()
    for workload in top.tables("workloads"):
        make = _Workload(workload)
        if make.uid in seen:
            raise workload.wrong("name", "is there already; put all pods of a workload under one [[workloads]] table")
        seen.add(make.uid)
        pods += [
            _pod(table, make.holder(table), nodes, recordings, duration_seconds) for table in workload.tables("pods")
        ]
        workload.finish()
    for number, pod in enumerate(pods):
        for other in pods[:number]:
            _check_together(pod, other)
    return tuple(pods)


class _Workload:
    """One ``[[workloads]]`` table, which makes the holders of its pods."""

    def __init__(self, table: Table) -> None:
        self.namespace, self.kind, self.name = table.text("namespace"), table.text("kind"), table.text("name")
        self.tenant_id = table.text("tenant_id") if table.has("tenant_id") else Absent(Why.NOT_CLAIMED)
        self.uid = uid("workload", self.namespace, self.kind, self.name)

    def holder(self, pod: Table) -> Holder:
        """The holder that a ``[[workloads.pods]]`` table describes."""
        return Holder(
            namespace=self.namespace,
            pod=pod.text("name"),
            pod_uid=uid("pod", self.namespace, pod.text("name")),
            container=pod.text("container") if pod.has("container") else "main",
            workload_kind=self.kind,
            workload_name=self.name,
            workload_uid=self.uid,
            tenant_id=self.tenant_id,
        )


def _pod(
    table: Table, holder: Holder, nodes: Mapping[str, Node], recordings: Recordings, duration_seconds: float
) -> Pod:
    name = table.text("node")
    if name not in nodes:
        raise table.wrong("node", f"{name!r} is not a node of this scenario; it has {', '.join(nodes)}")
    start, end = from_to(table, duration_seconds)
    places = _places(table, nodes[name], start, end)
    stage = Stage(
        seed=f"{holder.namespace}/{holder.pod}",
        devices=len(places),
        product=nodes[name].product,
        folder=table.file.parent,
        recordings=recordings,
    )
    signal = table.table("signal")
    patterns = signal_patterns(signal, stage)
    table.finish()
    phases = tuple(
        Phase(gpu=gpu, instance=instance, holder=holder, pattern=pattern, start=start, end=end)
        for (gpu, instance), pattern in zip(places, patterns, strict=True)
    )
    return Pod(table=table, node=name, phases=phases, recorded=signal.text("kind") == "recording")


def _places(table: Table, node: Node, start: float, end: float) -> list[tuple[int, Instance | None]]:
    """The devices of a pod: whole GPUs, or MIG instances by their place in the node's list."""
    if not table.has("instances"):
        return [(gpu, None) for gpu in table.indices("gpus", count=node.gpus)]
    numbers = table.indices("instances", count=len(node.instances), what="MIG instance")
    instances = [node.instances[number] for number in numbers]
    for instance in instances:
        if start < instance.start or instance.end < end:
            raise table.wrong(
                "instances", f"{instance.number} is there from {instance.start:g} s to {instance.end:g} s"
            )
    return [(instance.gpu, instance) for instance in instances]


def _check_together(pod: Pod, other: Pod) -> None:
    """A pod is in one place at a time, and a recording is of a whole board."""
    if pod.holder.pod_uid == other.holder.pod_uid:
        if pod.holder.workload_uid != other.holder.workload_uid:
            raise pod.table.wrong("name", "is taken by a pod of another workload in this namespace; choose another")
        if pod.node != other.node or pod.meets(other):
            raise pod.table.wrong("name", "is listed before; its phases must be on one node, one after the other")
    if (pod.recorded or other.recorded) and pod.shares_gpu(other):
        raise pod.table.wrong("gpus", "shares a GPU with a recording, which is of a whole board; move one of them")
