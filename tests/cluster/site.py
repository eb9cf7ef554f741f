"""flopwatch on the node: its image, its DaemonSet, tenants' pods, and what the collector says of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.images import PAUSE, ROOT, Images
from cluster.machine import NotStarted, Part
from cluster.node import NODE, Node
from support.collectors import samples

from collector.contract import gpu_metrics

IMAGE = "localhost/flopwatch-collector:test"
OPENMETRICS = "Accept: application/openmetrics-text"
NAMESPACE, TOKEN = "flopwatch-nodes", "of-the-tests"
GPUS = 8
SCENARIO = f"""
title = "a node of eight"
start = 2026-06-01T00:00:00Z
duration = "48h"

[[nodes]]
name = "{NODE}"
product = "NVIDIA H100 80GB HBM3"
gpus = {GPUS}
"""


@dataclass(slots=True)
class Site:
    """A node with flopwatch on it."""

    node: Node
    folder: Path
    plugin: Part | None = None
    address: str = ""

    @property
    def devices(self) -> Path:
        """The file that the device plugin reads."""
        return self.folder / "devices"

    def install(self) -> None:
        """Build and load the image, apply the manifests, and wait until the collector's pod is ready."""
        archive = Images(self.node.machine.folder / "images").archive("collector.Dockerfile", IMAGE)
        self.node.load(archive, IMAGE)
        (self.folder / "scenario.toml").write_text(SCENARIO, encoding="ascii")
        self.apply(_kustomization("demo", self.folder))
        wait("the collector is ready", lambda: self.collector_pod(ready=True), seconds=60, told=self.told)

    def apply(self, kustomization: Path) -> None:
        """Apply a folder with a kustomization, and the secret that it leaves to the site."""
        kubectl = self.node.plane.kubectl
        rendered = kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", str(kustomization))
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        secret = {
            "apiVersion": "v1", "kind": "Secret", "stringData": {"token": TOKEN},
            "metadata": {"name": "flopwatch-scrape-token", "namespace": NAMESPACE},
        }  # fmt: skip
        for text in (json.dumps(space), json.dumps(secret), rendered):
            kubectl("apply", "-f", "-", text=text)

    def start_plugin(self, *lines: str) -> None:
        """Start the device plugin with these devices, also anew."""
        if self.plugin is not None:
            self.plugin.stop()
        self.devices.write_text("\n".join(lines), encoding="ascii")
        program = str(Path(__file__).parent / "device_plugin.py")
        self.plugin = self.node.machine.begin(
            "device-plugin", sys.executable, program, "nvidia.com/gpu", str(self.devices)
        )

    def offered(self) -> int:
        """How many GPUs the node can give away."""
        path = "jsonpath={.status.allocatable.nvidia\\.com/gpu}"
        return int(self.node.plane.kubectl("get", "node", NODE, "-o", path) or 0)

    def collector_pod(self, *, ready: bool = False) -> dict[str, Any] | None:
        """The collector's pod, if there is one (that is ready)."""
        selector = "app.kubernetes.io/name=flopwatch-collector"
        for pod in self.node.plane.get("pods", "-n", NAMESPACE, "-l", selector)["items"]:
            conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            if "deletionTimestamp" not in pod["metadata"] and (not ready or conditions.get("Ready") == "True"):
                return dict(pod)
        return None

    def page(self) -> list[Any]:
        """What the collector serves now, also while the API server is away. Raises ``NotStarted`` if nothing."""
        with suppress(NotStarted):
            self.address = (self.collector_pod() or {}).get("status", {}).get("podIP", "")
        page = f"http://{self.address}:9478/metrics"
        command = ["curl", "-sf", "-m", "5", "-H", f"Authorization: Bearer {TOKEN}", "-H", OPENMETRICS, page]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"{page} answers nothing: curl ends with {done.returncode}")
        return samples(done.stdout)

    def told(self) -> str:
        """What the cluster and the collector say of the collector's pod, for whoever waits in vain."""
        says = ""
        for command in (
            ["get", "events"],
            ["describe", "pods"],
            ["logs", "daemonset/flopwatch-collector", "--tail=20"],
        ):
            with suppress(NotStarted):
                says += self.node.plane.kubectl(*command, "-n", NAMESPACE)
        return says

    def held(self) -> dict[str, list[str]]:
        """The devices that are held now, by namespace/pod/container."""
        found: dict[str, list[str]] = {}
        for each in self.page():
            if each.name == gpu_metrics.GPU_HELD.name:
                of = each.labels
                who = f"{of['workload_namespace']}/{of['workload_pod']}/{of['container']}"
                found.setdefault(who, []).append(of["gpu_uuid"])
        return found

    def tenant(self, name: str) -> None:
        """A namespace whose label claims a tenant."""
        space = {"apiVersion": "v1", "kind": "Namespace"}
        labels = {"flopwatch.io/tenant-id": f"t-{name}"}
        text = json.dumps(space | {"metadata": {"name": name, "labels": labels}})
        self.node.plane.kubectl("apply", "-f", "-", text=text)
        wait("the service account is there", lambda: "default" in self.node.plane.kubectl("get", "sa", "-n", name))

    def run_pod(self, namespace: str, name: str, gpus: int, *, command: str = "sleep 1000000", **spec: Any) -> None:
        """A bare pod that asks for GPUs."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(gpus, command, **spec)}
        self.node.plane.kubectl("apply", "-n", namespace, "-f", "-", text=json.dumps(pod))


def a_container(name: str, gpus: int, command: str) -> dict[str, Any]:
    """A container of busybox."""
    limits = {"nvidia.com/gpu": gpus} if gpus else {}
    shell = ["/bin/sh", "-c", f"trap 'exit 0' TERM; {command} & wait"]
    return {
        "name": name, "image": PAUSE, "imagePullPolicy": "Never", "command": shell, "resources": {"limits": limits},
    }  # fmt: skip


def pod_spec(gpus: int, command: str = "sleep 1000000", **more: Any) -> dict[str, Any]:
    """One container; ``more`` are further fields of the spec."""
    return {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "containers": [a_container("main", gpus, command)],
    } | more  # fmt: skip


def wait(what: str, is_so: Callable[[], Any], *, seconds: float = 30.0, told: Callable[[], str] = lambda: "") -> float:
    """Wait until it is so, and tell the seconds that it took. Raises AssertionError with what is ``told`` then."""
    began = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - began
            problem = ""
        except (NotStarted, subprocess.SubprocessError) as error:
            problem = f" ({error})"
        assert time.monotonic() - began < seconds, f"not in {seconds:g} s: {what}{problem}\n{told()}"
        time.sleep(0.1)


def _kustomization(overlay: str, folder: Path) -> Path:
    """A site's own folder: the overlay with the image of the tests, and their scenario."""
    site = folder / f"site-{overlay}"
    site.mkdir()
    text = (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: [{os.path.relpath(ROOT / 'k8s' / 'overlays' / overlay, site)}]\n"
        f"images: [{{name: flopwatch-collector, newName: {IMAGE.rpartition(':')[0]}, newTag: test}}]\n"
        f"configMapGenerator:\n- name: flopwatch-scenario\n  namespace: {NAMESPACE}\n"
        "  behavior: replace\n  files: [../scenario.toml]\n"
        # The scenario goes on where a collector is killed; else its clock would begin anew with every process.
        f"- name: flopwatch-collector\n  namespace: {NAMESPACE}\n  behavior: merge\n"
        f"  literals: [FLOPWATCH_COLLECTOR_BEGINS_AT={int(time.time())}]\n"
    )
    (site / "kustomization.yaml").write_text(text, encoding="ascii")
    return site
