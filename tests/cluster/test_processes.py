"""The check on the processes, with the real processes of containers: use without a claim, claim without use."""

import re
from collections.abc import Iterator

import pytest
from cluster.node import NODE
from cluster.site import GPUS, NAMESPACE, Site, wait

from collector.contract import gpu_metrics, holder_metrics, node_metrics
from collector.simulated.scenario import load_scenario

INSTANCES = "\n".join(f'[[nodes.instances]]\ngpu = 6\nprofile = "{name}"' for name in ("3g.40gb", "4g.40gb"))
WORKING = """
[[workloads]]
namespace = "anybody"
kind = "Job"
name = "work"
[[workloads.pods]]
name = "work-0"
node = "node-a"
gpus = [0, 1, 2, 3, 4, 5]
from = "0h"
to = "48h"
signal = { kind = "constant", busy = 0.8, power = 0.8, memory = 0.5 }
"""


@pytest.fixture(scope="module")
def site(site: Site) -> Iterator[Site]:
    """With the check on, and a node on which six cards are busy whoever holds them, and one is cut into instances."""
    volume = {"name": "host-proc", "hostPath": {"path": str(site.node.machine.host_proc), "type": "Directory"}}
    mount = {"name": "host-proc", "mountPath": "/host/proc", "readOnly": True}
    added = {"volumes/-": volume, "containers/0/volumeMounts/-": mount}
    site.play(INSTANCES + WORKING)
    site.configure("process-check", added=added, PROC_PATH="/host/proc")
    yield site
    site.play("")
    site.start_plugin(*site.uuids())
    site.configure()
    wait("the node offers its GPUs", lambda: site.offered() == GPUS)


def test_claims_are_held_against_the_containers_processes(site: Site) -> None:
    """
    A pod computes on the GPUs that it holds, and on one that it does not; another holds one and leaves it idle.

    The cluster has process ids of its own, in which there are no kernel threads: the host's are mounted, as
    --proc-path is for. The driver that is not there lists the ids that the host has.
    """
    site.start_plugin(*site.uuids()[:2])
    wait("the node offers two", lambda: site.offered() == 2)
    site.hold("alpha", "works", 2)
    site.start_plugin(*site.uuids()[:2], site.uuids()[7])
    wait("the node offers three", lambda: site.offered() == 3)
    site.hold("beta", "idles", 1)
    uid = site.node.plane.get("-n", "alpha", "pod", "works")["metadata"]["uid"]
    (pid, *_) = site.processes_of(uid)

    _list_processes(site, pid, 0, 1)
    wait("the check sees all", lambda: site.total(node_metrics.PROCESS_CHECK) == 1, seconds=20)
    wait("the pod is seen to compute", lambda: site.total(holder_metrics.BUSY, workload_pod="works") > 0, seconds=40)
    assert site.total(node_metrics.PROCESS_MISMATCHES, kind="other_device") == 0

    _list_processes(site, pid, 0, 1, 2)
    for kind in ("other_device", "no_process"):
        wait(
            f"{kind} is told, and its time is in doubt",
            lambda kind=kind: (
                site.total(node_metrics.PROCESS_MISMATCHES, kind=kind) > 0
                and site.total(gpu_metrics.GPU_SECONDS, state="ambiguous", reason=kind) > 0
            ),
            seconds=40,
            told=lambda: str([each for each in site.page() if each.name == gpu_metrics.GPU_SECONDS.name]),
        )
    observed, busy = (site.total(each, workload_pod="idles") for each in (holder_metrics.OBSERVED, holder_metrics.BUSY))
    assert observed > 0
    assert busy == 0, "claim without use is idle, and no mismatch"

    told = "\n".join(f"{each.name} {each.labels}" for each in site.page())
    told += site.node.plane.kubectl("logs", "-n", NAMESPACE, "daemonset/flopwatch-collector")
    told += (site.state_folder / "state.json").read_text(encoding="utf-8")
    assert not re.search(rf"\b{pid}\b", told), "a process id is told"
    (site.state_folder / "pids").unlink()
    site.node.plane.kubectl("delete", "-n", "beta", "pod", "idles", "--wait=true")
    site.gone("works")
    assert site.balance() == (0, 0)


def test_mig_instances_are_held_one_by_one(site: Site) -> None:
    """A plugin that offers MIG ids: a pod holds the instance that it was given, and its part of the card."""
    node = load_scenario(site.folder / "scenario.toml").node(NODE)
    instances = [each.mig_uuid for each in node.instances]
    site.start_plugin(*instances)
    wait("the node offers them", lambda: site.offered() == len(instances))
    for name in ("left", "right"):
        site.run_pod("beta", name, 1)
    wait("both are held", lambda: len(site.held()) == 2, seconds=60, told=lambda: str(site.held()))
    assert sorted(each for devices in site.held().values() for each in devices) == sorted(instances)
    wait("their seconds are saved", lambda: site.total(holder_metrics.HELD, workload_pod="left") > 3, seconds=40)
    devices = [site.total(holder_metrics.HOLDER_DEVICES, workload_pod=name) for name in ("left", "right")]
    assert 0 < sum(devices) <= 1
    site.gone("left", "right", namespace="beta")
    assert site.balance() == (0, 0)


def _list_processes(site: Site, pid: int, *cards: int) -> None:
    """Let the driver list this process on these cards."""
    new = site.state_folder / "pids.new"
    new.write_text("".join(f"{card} {pid}\n" for card in cards), encoding="ascii")
    new.rename(site.state_folder / "pids")
