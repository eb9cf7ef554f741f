"""
The kubelet and the API server of a written day: the doubles over a real socket and real HTTP, and the same in memory.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.api_server import ApiServerDouble, Fault, an_api_server
from support.api_server import a_pod as an_api_pod
from support.http import until
from support.kubelet import a_container, a_kubelet, a_reply, a_socket_path
from support.kubelet import a_pod as a_kubelet_pod
from support.nodes import ToldClock
from support.scenarios import Moment
from support.truth_day import CONTAINER, NAMESPACE, TENANT, Day, Pod
from support.truth_played import Id
from support.watching import restarted_for, synced, watching

from collector.kubelet.claims import Claim, ContainerName, PluginClaim
from collector.kubelet.client import Kubelet
from collector.kubelet.podresources.api_pb2 import ListPodResourcesResponse
from collector.pods.book import PodBook
from collector.pods.facts import pod_facts
from collector.pods.troubles import Trouble
from collector.pods.view import ApiCounters, NodeView, Stale
from collector.pods.watch import NodePods
from collector.readings import Absent, Why

AWAY = Fault(status=503)
EXPIRED = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}\n'


def listed(day: Day, t: int) -> list[Pod]:
    """The pods that the kubelet lists at a moment: none while it does not know them again yet."""
    if any(away.end <= t < away.end + away.forgetful_seconds for away in day.kubelet_away):
        return []
    return [pod for pod in day.pods if pod.listed.has(t)]


def in_api(day: Day, t: int) -> dict[str, dict[str, Any]]:
    """The pods that the API server has at a moment, by UID."""
    found = {}
    for pod in (pod for pod in day.pods if pod.in_api.has(t)):
        told = an_api_pod(pod.name, namespace=NAMESPACE, phase="Running" if pod.has(t) else "Succeeded")
        told["metadata"]["uid"] = pod.uid
        found[pod.uid] = told
    return found


class RealDoors:
    """A gRPC service on a unix socket, and HTTP on loopback."""

    def __init__(self, day: Day, name: Id, moment: Moment, stack: ExitStack, folder: Path) -> None:
        self._day, self._name, self._folder, self._moment = day, name, folder, moment
        self._socket = stack.enter_context(a_socket_path())
        self._kubelet = stack.enter_context(ExitStack())
        self._serves = False
        self._server: ApiServerDouble = stack.enter_context(an_api_server())
        self._server.namespaces = {NAMESPACE: {"flopwatch.io/tenant-id": TENANT}}
        self._reply = b""
        self._pods: NodePods | None = None

    def arrange(self, t: int) -> None:
        """As the day has it."""
        self._reply = self._listing(t).SerializeToString()
        self._let_kubelet_serve(not any(away.has(t) for away in self._day.kubelet_away))
        is_down = any(down.has(t) for down in self._day.api_down)
        if is_down and self._server.outage is None:
            self._server.outage = AWAY
            self._server.drop_watch()
        if not is_down:
            self._server.outage = None
        self._tell(t, silently=self._pods is None or t in self._day.watch_expires)
        self._wait(t)

    @contextmanager
    def life(self, clock: ToldClock) -> Iterator[tuple[Kubelet, NodePods]]:
        """The two clients."""
        self._server.hush()
        with Kubelet(self._socket) as kubelet, watching(self._server, self._folder, clock=clock) as self._pods:
            if self._server.outage is None:
                synced(self._pods)
            else:
                until(lambda: not _is_starting(self._pods), "the watch has noticed that the server is down")
            yield kubelet, self._pods
        self._pods = None

    def _listing(self, t: int) -> ListPodResourcesResponse:
        pods = []
        for pod in listed(self._day, t):
            containers = []
            for resource, device_id in map(self._name, pod.devices):
                containers.append(a_container(CONTAINER, resource=resource, devices=(device_id,)))
            for other in containers[1:]:
                containers[0].devices.extend(other.devices)
            pods.append(a_kubelet_pod(pod.name, containers[0], namespace=NAMESPACE))
        return a_reply(*pods)

    def _let_kubelet_serve(self, serves: bool) -> None:
        if serves and not self._serves:
            self._kubelet.enter_context(a_kubelet(self._socket, lambda _request, _context: self._reply))
        if self._serves and not serves:
            self._kubelet.close()
        self._serves = serves

    def _tell(self, t: int, *, silently: bool) -> None:
        """The pods as they are now, and the events that a watch hears of it."""
        wanted, known = in_api(self._day, t), self._server.pods
        for uid in [uid for uid in known if uid not in wanted]:
            known.pop(uid) if silently else self._server.delete(known[uid])
        for uid, pod in wanted.items():
            if known.get(uid) != pod:
                kind = "MODIFIED" if uid in known else "ADDED"
                known.update({uid: pod}) if silently else self._server.put(pod, kind)
        if t in self._day.watch_expires and self._pods is not None:
            times = self._pods.counters().watch_restarts[Trouble.EXPIRED]
            self._server.say(EXPIRED)
            restarted_for(self._pods, Trouble.EXPIRED, times + 1)

    def _wait(self, t: int) -> None:
        """Until the watch has taken in what it was told; a server that is down tells nothing."""
        pods = self._pods
        if pods is None:
            return
        if self._server.outage is not None:
            until(lambda: not pods.pods().synced, "the watch has noticed that the server is down")
            return
        wanted = in_api(self._day, t)
        told = {pod["metadata"]["name"]: (uid, pod["status"]["phase"] != "Running") for uid, pod in wanted.items()}

        def has_come() -> bool:
            view = pods.pods()
            there = {pod.name: (pod.uid, pod.finished) for pod in view.pods.values() if not pod.deleted}
            return view.synced and there == told

        until(has_come, f"the watch has heard what happened at {t} s")


def _is_starting(pods: NodePods | None) -> bool:
    stale = None if pods is None else pods.pods().stale
    return stale is not None and stale.reason is Trouble.STARTING


class MemoryDoors:
    """The same without sockets and threads: for many days that are short."""

    def __init__(self, day: Day, name: Id, moment: Moment, _stack: ExitStack) -> None:
        self._day, self._name, self._moment = day, name, moment
        self.errors: Counter[str] = Counter()
        self.connections = 0
        self._connected = False
        self._book = PodBook(round(3600e9))
        self._told: dict[str, dict[str, Any]] = {}
        self._is_down = True

    def arrange(self, t: int) -> None:
        """The watch hears of it at once, unless the server is down."""
        self._is_down = any(down.has(t) for down in self._day.api_down)
        if not self._is_down:
            wanted = in_api(self._day, t)
            for uid in self._told.keys() - wanted.keys():
                self._book.delete(pod_facts(self._told[uid], TENANT), round(t * 1e9))
            for uid in wanted:
                self._book.put(pod_facts(wanted[uid], TENANT))
            self._told = wanted

    @contextmanager
    def life(self, _clock: ToldClock) -> Iterator[tuple["MemoryDoors", "MemoryDoors"]]:
        """A process that knows nothing yet but what it is told now."""
        self.connections, self._connected = 0, False
        self._book, self._told = PodBook(round(3600e9)), {}
        self.arrange(round(self._moment.seconds))
        yield self, self

    @property
    def sockets(self) -> int:
        """A kubelet that was away has made its socket anew."""
        return self.connections

    def pods(self) -> NodeView:
        """As the watch knows them."""
        stale = Stale(since_unix_seconds=0.0, reason=Trouble.UNREACHABLE) if self._is_down else None
        return NodeView(pods=self._book.snapshot(), stale=stale)

    def counters(self) -> ApiCounters:
        """Nothing was asked."""
        return ApiCounters(requests={}, watch_restarts={}, relists=0)

    def allocatable(self) -> Absent:
        """The kubelet is too old to say it."""
        return Absent(Why.NOT_SUPPORTED)

    def list(self) -> tuple[Claim, ...] | Absent:
        """What the kubelet answers. The last method, because its name hides the built-in one."""
        t = round(self._moment.seconds)
        if any(away.has(t) for away in self._day.kubelet_away):
            self._connected = False
            return Absent(Why.KUBELET_GONE)
        self.connections += not self._connected
        self._connected = True
        return tuple(
            PluginClaim(
                container=ContainerName(namespace=NAMESPACE, pod=pod.name, container=CONTAINER),
                resource=resource,
                device_id=device_id,
            )
            for pod in listed(self._day, t)
            for resource, device_id in map(self._name, pod.devices)
        )
