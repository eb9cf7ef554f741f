"""The pods known on this node, and for a while those that went. No clock and no I/O: the time comes as an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from collector.pods.facts import PodFacts, PodKey
from collector.readings import Absent


class PodBook:
    """
    Pods by namespace and name.

    A deleted pod stays, marked, for ``deleted_kept_ns``: one that was deleted by force may go on to hold its devices,
    and is somebody's all the same. A new pod of its name takes its place.
    """

    def __init__(self, deleted_kept_ns: int) -> None:
        self._pods: dict[PodKey, PodFacts] = {}
        self._deleted_at_ns: dict[PodKey, int] = {}
        self._deleted_kept_ns = deleted_kept_ns

    def put(self, pod: PodFacts) -> None:
        """A pod as it is now."""
        self._pods[pod.key] = pod
        self._deleted_at_ns.pop(pod.key, None)

    def delete(self, pod: PodFacts, now_ns: int) -> None:
        """A pod as it was when it went; nothing if one of its name has taken its place."""
        known = self._pods.get(pod.key)
        if known is None or known.uid == pod.uid:
            self._pods[pod.key] = replace(pod, deleted=True)
            self._deleted_at_ns.setdefault(pod.key, now_ns)

    def replace_all(self, pods: Iterable[PodFacts], now_ns: int) -> None:
        """All pods that there are; others went unseen."""
        present = {pod.key: pod for pod in pods}
        for key in self._pods.keys() - present.keys():
            self.delete(self._pods[key], now_ns)
        for pod in present.values():
            self.put(pod)

    def claim(self, namespace: str, tenant_id: str | Absent) -> None:
        """What a namespace claims, for all its pods."""
        for key, pod in self._pods.items():
            if pod.namespace == namespace and pod.tenant_id != tenant_id:
                self._pods[key] = replace(pod, tenant_id=tenant_id)

    def forget_deleted(self, now_ns: int) -> bool:
        """Forget the pods that went long ago; whether there were any."""
        long_ago = [key for key, at_ns in self._deleted_at_ns.items() if now_ns - at_ns >= self._deleted_kept_ns]
        for key in long_ago:
            del self._pods[key], self._deleted_at_ns[key]
        return bool(long_ago)

    def namespaces(self) -> set[str]:
        """The namespaces of all pods."""
        return {namespace for namespace, _ in self._pods}

    def is_met(self, namespace: str) -> bool:
        """Whether a pod of this namespace is there, and not only pods that went."""
        return any(key[0] == namespace and not pod.deleted for key, pod in self._pods.items())

    def snapshot(self) -> Mapping[PodKey, PodFacts]:
        """The pods as they are now; it never changes."""
        return MappingProxyType(dict(self._pods))
