"""
Nodes that nobody runs, for scale: KWOK plays their kubelets, so that the API server has them and their pods.

A pod on such a node runs as soon as it is bound, and has an address of its own, where nobody listens: a test that wants
somebody there gives the address to the machine.
"""

import json
from pathlib import Path
from typing import Any

from cluster.binaries import KWOK, built
from cluster.control_plane import ControlPlane
from cluster.machine import ADDRESS, Machine, Part

LABEL = "flopwatch.io/played"
RESOURCE = "nvidia.com/gpu"
NETWORK = "10.214.0.0/16"
AT_ONCE = 500  # objects in one list: kubectl sends them one by one all the same


def start_kwok(plane: ControlPlane) -> Part:
    """Let it play all nodes that have the label."""
    return plane.machine.begin(
        "kwok", str(built(KWOK) / "kwok"), f"--kubeconfig={plane.admin}", f"--node-ip={ADDRESS}",
        f"--manage-nodes-with-label-selector={LABEL}", "--node-lease-duration-seconds=40", f"--cidr={NETWORK}",
        f"--config={Path(__file__).parent / 'stages.yaml'}",
    )  # fmt: skip


def a_node(name: str, gpus: int, **labels: str) -> dict[str, Any]:
    """A node with so many GPUs to give away."""
    room = {"cpu": "64", "memory": "1Ti", "pods": "110", RESOURCE: str(gpus)}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {LABEL: "yes", "kubernetes.io/hostname": name, **labels}},
        "spec": {"taints": [{"key": LABEL, "value": "yes", "effect": "NoSchedule"}]},
        "status": {
            "allocatable": room, "capacity": room, "addresses": [{"type": "InternalIP", "address": ADDRESS}],
        },
    }  # fmt: skip


def lend(machine: Machine, address: str) -> None:
    """Let the machine have a played pod's address, so that something can listen there."""
    machine.run("ip", "address", "add", f"{address}/32", "dev", "lo")


def create(plane: ControlPlane, objects: list[dict[str, Any]]) -> None:
    """Have all of these."""
    for begin in range(0, len(objects), AT_ONCE):
        many = {"apiVersion": "v1", "kind": "List", "items": objects[begin : begin + AT_ONCE]}
        plane.kubectl("create", "-f", "-", text=json.dumps(many))
