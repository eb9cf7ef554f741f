"""Pods that come and go on the real node, while other things are looked at."""

import threading
import time
from dataclasses import dataclass

from cluster.node import NODE
from cluster.site import Site, pod_spec
from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.config import new_client_from_config

from collector.contract import gpu_metrics, node_metrics

NAMESPACE = "churn"
AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the collector has: series of holders, bytes of memory, open files, and attributed GPU-seconds."""

    series: int
    memory: float
    files: int
    attributed: float

    @classmethod
    def of(cls, site: Site) -> "Standing":
        """As it is now."""
        return cls(
            series=sum("workload_pod" in each.labels for each in site.page()),
            memory=site.total(node_metrics.COLLECTOR_MEMORY),
            files=site.open_files(),
            attributed=site.total(gpu_metrics.GPU_SECONDS, state="attributed"),
        )


class Churn:
    """So many pods of one or two GPUs in so many seconds, a few at a time; none is left at the end."""

    def __init__(self, site: Site, pods: int, seconds: float) -> None:
        self._client: ApiClient = new_client_from_config(str(site.node.plane.admin))
        self._pods, self._seconds = pods, seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._problem: Exception | None = None
        self.took_seconds = 0.0
        site.tenant(NAMESPACE)
        self.before = Standing.of(site)
        self._thread.start()

    def end(self) -> None:
        """Wait until the last pod has been deleted. Raises what has gone wrong."""
        self._thread.join()
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        api, began = CoreV1Api(self._client), time.monotonic()
        try:
            for number in range(self._pods + AT_ONCE):
                if number < self._pods:
                    api.create_namespaced_pod(NAMESPACE, _pod(number))
                if number >= AT_ONCE:
                    api.delete_namespaced_pod(f"brief-{number - AT_ONCE}", NAMESPACE, grace_period_seconds=1)
                time.sleep(max(0.0, began + number * self._seconds / self._pods - time.monotonic()))
        except Exception as problem:  # noqa: BLE001  # told to whoever waits for the end
            self._problem = problem
            print(f"pods come and go no longer: {problem}", flush=True)
        self.took_seconds = time.monotonic() - began


def _pod(number: int) -> dict[str, object]:
    spec = pod_spec(1 + number % 2) | {"nodeSelector": {"kubernetes.io/hostname": NODE}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"brief-{number}"}, "spec": spec}
