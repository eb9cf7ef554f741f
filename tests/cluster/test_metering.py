"""Device-seconds on a real kubelet: they are the pods' own, however a pod ends, and nothing is left of those gone."""

import json
import time

from cluster.node import NODE
from cluster.site import SOON_SECONDS, TAINT, Site, a_container, moment, unix, wait

from collector.contract import holder_metrics, node_metrics

PODS, IN_SECONDS, AT_ONCE = 200, 300.0, 4
RETENTION_SECONDS = 60
RESOLUTION_SECONDS = 1.0


def test_claimed_seconds_are_the_pods_own(site: Site, figures: dict[str, float]) -> None:
    """
    Pods of 1, 2 and 4 GPUs are said to have held each of them from their start to their end, within 2 s.

    Both moments are the kubelet's, cut down to whole seconds: their difference may be a second off either way. What was
    held is a sum of ticks of a second, each some milliseconds long or short; hundredths of that say nothing of the pod.
    """
    for gpus in (1, 2, 4):
        site.run_pod("beta", f"timed-{gpus}", gpus, command=f"sleep {8 + gpus}")
    wait("they have finished", lambda: len(site.pods("Succeeded")) == 3, seconds=60)
    wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS)
    ended = time.time()
    wait("a state has their end", lambda: site.total(node_metrics.COLLECTOR_CLOCK) > ended, seconds=20)
    furthest = -RESOLUTION_SECONDS
    for pod in site.pods():
        name = pod["metadata"]["name"]
        held = site.total(holder_metrics.HELD, workload_pod=name) / int(name.rpartition("-")[2])
        own = moment(pod, "terminated", "finishedAt") - unix(pod["status"]["startTime"])
        furthest = max(furthest, abs(held - own) - RESOLUTION_SECONDS)
    figures["claimed less the pods' own, beyond a second, s"] = furthest
    assert round(furthest, 1) <= 2
    site.gone("timed-1", "timed-2", "timed-4", namespace="beta")
    assert site.balance() == (0, 0)


def test_a_pod_that_is_out_of_memory_holds_nothing(site: Site) -> None:
    """The kernel kills it, and its device is free."""
    greedy = a_container("main", 1, "") | {
        "command": ["/bin/sh", "-c", "sleep 5; exec tail /dev/zero"],
        "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "24Mi"}},
    }
    site.run_pod("gamma", "greedy", 0, containers=[greedy])
    wait("it holds", lambda: site.counts() == {"gamma/greedy/main": 1}, seconds=60, told=lambda: str(site.counts()))
    wait("it is killed", lambda: _reason(site, "gamma", "greedy") == "OOMKilled", seconds=40)
    wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))
    site.gone("greedy", namespace="gamma")


def test_an_evicted_pod_holds_nothing(site: Site) -> None:
    """
    By the API, as for a drain, and by a taint of its node, which the collector tolerates.

    Not by a kubelet that is short of memory: this one's cannot measure the file system of the machine, and so evicts
    nobody. What it would leave behind, a pod that has failed, is what one that is out of memory leaves as well.
    """
    kubectl, collector = site.node.plane.kubectl, site.collector_pod()
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "asked", "namespace": "alpha"}}
    asked = ("create", "--raw", "/api/v1/namespaces/alpha/pods/asked/eviction", "-f", "-")
    taint = ("taint", "node", NODE, f"{TAINT}=yes:NoExecute")
    for name, evict in (
        ("asked", lambda: kubectl(*asked, text=json.dumps(eviction))),
        ("tainted", lambda: kubectl(*taint)),
    ):
        site.hold("alpha", name, 2)
        evict()
        wait("it is gone", lambda: not site.pods())
        wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))
    kubectl("taint", "node", NODE, f"{TAINT}-")
    assert (site.collector_pod() or {})["metadata"]["uid"] == (collector or {})["metadata"]["uid"]
    assert site.balance() == (0, 0)


def _reason(site: Site, namespace: str, name: str) -> str:
    path = "jsonpath={.status.containerStatuses[0].state.terminated.reason}"
    return site.node.plane.kubectl("get", "-n", namespace, "pod", name, "-o", path)
