"""
A scenario: a TOML file that says which nodes there are, which pods run on them, when, and what goes wrong.

    title = "One node, one training run"
    start = 2026-06-01T00:00:00Z            # the date at t = 0
    duration = "24h"                        # "90s", "15m", "24h", "2d", or a number of seconds

    [[nodes]]
    name = "node-a"
    product = "NVIDIA H100 80GB HBM3"       # a name in products.toml
    gpus = 8
    # mig = true               all cards are in MIG mode: utilisation is not supported
    # fabric = "rack-1"        nodes that name the same one are in one NVLink domain; boards with a fabric only
    # passthrough = true       the GPUs belong to virtual machines: blind, on the PCI bus only
    # no_energy_counter = true a board older than Volta
    # processes = "pids"       a file with a card's index and a process id a line, read anew at every look
    # foreign = [{ pci = "19e5:d802", class = "1200", count = 8 }]
    #                          accelerators of other vendors, which nothing reads and nobody holds: blind, on the PCI
    #                          bus only; also with driver = "davinci", the one that holds them. With gpus = 0 they are
    #                          all that the node has, and beside name nothing else is written.

    [[nodes.faults]]
    kind = "gpu_lost"                       # or driver_gone, holders_unknown
    gpus = [0, 1]                           # gpu_lost only
    from = "2h"
    to = "3h"

    [[nodes.faults]]
    kind = "xid"                            # the driver reports an error of these GPUs; it has no effect by itself
    code = 79                               # its number in NVIDIA's catalogue
    gpus = [0]
    at = "2h"                               # a moment, in place of from and to

    [[nodes.instances]]                     # puts its card into MIG mode
    gpu = 0
    profile = "3g.40gb"                     # one of the product's
    # from = "2h"                           # made and destroyed while the node runs; all the time if left out
    # to = "3h"

    [[workloads]]
    namespace = "tenant-a"
    kind = "PyTorchJob"                     # kind of the Kubernetes owner
    name = "pretrain"
    tenant_id = "t-0001"                    # leave out: the namespace claims no tenant

    [[workloads.pods]]
    name = "pretrain-worker-0"
    node = "node-a"
    gpus = [0, 1, 2, 3]                     # two pods on one GPU at a time share it
    from = "0h"
    to = "24h"
    signal = { kind = "training", busy = 0.97, power = 0.8, memory = 0.85, period = "20s", dip = "1s" }
    # container = "trainer"                 # "main" if left out
    # instances = [0, 2]                    # instead of gpus: places in the node's list of MIG instances

A pod that is listed twice, at different times on the same node, is one pod with two phases. The signals are described
in ``signals.py``; paths of recordings are relative to the scenario file. Ratios are 0 to 1: power from idle to the
board's limit, memory of the total. When the scenario has ended, all devices idle.

The reader is strict; only a top-level ``expected``, whatever it holds, is left to others.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector.simulated.nodes import read_nodes
from collector.simulated.playback import NodeScript
from collector.simulated.pods import read_pods
from collector.simulated.tables import ScenarioError, read_toml

__all__ = ["Scenario", "ScenarioError", "load_scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario ready to be played. ``start`` is the date at t = 0, with its offset."""

    file: Path
    title: str
    start: datetime
    duration_seconds: float
    nodes: tuple[NodeScript, ...]

    def node(self, name: str) -> NodeScript:
        """The node of this name. Raises ``ScenarioError`` naming those there are."""
        for node in self.nodes:
            if node.node_name == name:
                return node
        known = ", ".join(node.node_name for node in self.nodes)
        raise ScenarioError(file=self.file, table="nodes", field="name", problem=f"{name!r} is not one of: {known}")


def load_scenario(path: Path) -> Scenario:
    """Read a scenario and everything that it refers to. Raises ``ScenarioError``."""
    top = read_toml(path)
    title, start, duration_seconds = top.text("title"), top.moment("start"), top.seconds("duration")
    nodes = read_nodes(top, duration_seconds)
    pods = read_pods(top, nodes, duration_seconds)
    top.has("expected")
    top.finish()
    scripts = (
        node.script(phase for pod in pods if pod.node == node.name for phase in pod.phases) for node in nodes.values()
    )
    return Scenario(file=path, title=title, start=start, duration_seconds=duration_seconds, nodes=tuple(scripts))
