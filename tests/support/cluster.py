"""Kubelet and API server in memory, and the holders upon them; or as a process is told of real ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from support.api_server import CA_FILE, ApiServerDouble
from support.devices import a_plugin_claim, gpu_uuid
from support.nodes import ToldClock
from support.readings import an_identity
from support.scenarios import Moment
from support.watching import NODE, a_token_file

from collector.cluster import SETTLE_SECONDS, KubernetesHolders
from collector.kubelet.claims import Claim, PluginDevice
from collector.pci import PciGpu
from collector.pods.facts import ContainerKind, PodContainer, PodFacts
from collector.pods.view import ApiCounters, NodeView, Stale
from collector.pods.workloads import Workload
from collector.readings import Absent, DeviceIdentity, Holder, Why

OLD_KUBELET = Absent(Why.NOT_SUPPORTED)
MAIN = PodContainer(name="main", kind=ContainerKind.ORDINARY, ended=False)


def a_pod(name: str = "pod-0", **other: object) -> PodFacts:
    """A running pod of a Job whose namespace claims a tenant."""
    pod = PodFacts(
        namespace="tenant-a",
        name=name,
        uid=f"uid-{name}",
        finished=False,
        deleted=False,
        containers=(MAIN,),
        workload=Workload(kind="Job", name="train", uid="uid-train"),
        tenant_id="t-0001",
    )
    return replace(pod, **other)  # type: ignore[arg-type]


@dataclass
class Node:
    """What the kubelet and the API server say, in memory, and the holders upon them."""

    answer: tuple[Claim, ...] | Absent = (a_plugin_claim(gpu_uuid(0)),)
    view: NodeView = field(default_factory=lambda: a_view(a_pod()))
    devices: tuple[DeviceIdentity, ...] = tuple(an_identity(gpu_uuid(n), index=n, minor_number=n) for n in range(2))
    bus: tuple[PciGpu, ...] = ()
    all_devices: frozenset[PluginDevice] | Absent = OLD_KUBELET
    asked: int = 0
    asked_for_all: int = 0
    servers_in: frozenset[str] = frozenset()
    errors: Counter[str] = field(default_factory=Counter)
    connections: int = 1
    sockets: int = 1
    moment: Moment = field(default_factory=Moment)

    def __post_init__(self) -> None:
        self.source = KubernetesHolders(
            self, self, devices=self, clock=ToldClock(self.moment), servers_in=self.servers_in
        )
        self.source.holders()
        self.moment.seconds += SETTLE_SECONDS

    def pods(self) -> NodeView:
        """The API server's."""
        return self.view

    def counters(self) -> ApiCounters:
        """One list and one watch."""
        return ApiCounters(requests={"list": 1, "watch": 1}, watch_restarts={"expired": 0}, relists=0)

    def identities(self) -> tuple[DeviceIdentity, ...]:
        """The driver's."""
        return self.devices

    def on_bus(self) -> tuple[PciGpu, ...]:
        """What sysfs says."""
        return self.bus

    def beyond_bus(self) -> Mapping[str, str]:
        """What a look right now would count."""
        found = self.source.beyond_bus()
        return {} if isinstance(found, Absent) else found

    def allocatable(self) -> frozenset[PluginDevice] | Absent:
        """The kubelet's other answer."""
        self.asked_for_all += 1
        return self.all_devices

    def holders(self) -> Mapping[str, tuple[Holder, ...]]:
        """Who holds what now."""
        found = self.source.holders()
        assert not isinstance(found, Absent), found
        return found

    def names(self) -> dict[int | str, list[tuple[str, str]]]:
        """By GPU, or by the key of what nothing reads: pod and doubt of each holder."""
        numbers: dict[str, int] = {gpu_uuid(number): number for number in range(4)}
        return {
            numbers.get(key, key): [(each.pod, each.doubt.reason if each.doubt else "") for each in holders]
            for key, holders in self.holders().items()
        }

    def list(self) -> tuple[Claim, ...] | Absent:
        """The kubelet's answer. The last method, because its name hides the built-in one."""
        self.asked += 1
        return self.answer


def a_view(*pods: PodFacts, stale: Stale | None = None) -> NodeView:
    """These pods, up to date unless said otherwise."""
    return NodeView(pods=MappingProxyType({pod.key: pod for pod in pods}), stale=stale)


def flags(folder: Path, socket: Path, api: ApiServerDouble) -> tuple[str, ...]:
    """The command's, for holders from this kubelet and this API server; the token's file goes into the folder."""
    return (
        f"--node={NODE}", f"--kubelet-socket={socket}", f"--api-server={api.url}",
        f"--api-token-file={a_token_file(folder)}", f"--api-ca-file={CA_FILE}",
    )  # fmt: skip
