"""flopwatch on the node: its image, its DaemonSet, tenants' pods, and what the collector says of them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.images import PAUSE, ROOT, Images
from cluster.machine import NotStarted, Part
from cluster.node import NODE, Node
from support.collectors import samples

from collector.contract import Metric, gpu_metrics
from collector.simulated.scenario import load_scenario

IMAGE = "localhost/flopwatch-collector:test"
OPENMETRICS = "Accept: application/openmetrics-text"
NAMESPACE, TOKEN = "flopwatch-nodes", "of-the-tests"
GPUS = 8
SCENARIO = """
title = "a node of eight, as of now"
start = {start}
duration = "48h"

[[nodes]]
name = "{node}"
product = "NVIDIA H100 80GB HBM3"
gpus = {gpus}
processes = "/var/lib/flopwatch/pids"
{more}
"""
COLLECTED = "flopwatch.io/collected"
"""The label of nodes that are to have a collector."""
SETTINGS = {
    "STATE_INTERVAL_SECONDS": "2",  # counters are read as saved: tests wait for it
    "RETENTION_SECONDS": "30",
    "BOOT_ID_FILE": "/var/lib/flopwatch/boot-id",
}
"""Of the collector, in every test."""
TAINT = "flopwatch.io/tried"
TENANTS = ("alpha", "beta", "gamma")
SOON_SECONDS = 3.0
"""How long the collector may take to say who holds what."""


@dataclass(slots=True)
class Site:
    """A node with flopwatch on it."""

    node: Node
    folder: Path
    began_unix: int
    plugin: Part | None = None
    address: str = ""
    image_mib: float = 0.0

    @property
    def devices(self) -> Path:
        """The file that the device plugin reads."""
        return self.folder / "devices"

    @property
    def state_folder(self) -> Path:
        """The folder of the collector's state file, as the tests see it."""
        return self.node.machine.folder / "flopwatch"

    def install(self) -> None:
        """Build and load the image, apply the manifests, and wait until the collector's pod is ready."""
        archive = Images(self.node.machine.folder / "images").archive("collector.Dockerfile", IMAGE)
        self.image_mib = archive.stat().st_size / 2**20
        self.node.load(archive, IMAGE)
        self.boot("the first")
        self.node.plane.kubectl("label", "node", NODE, f"{COLLECTED}=yes")
        self.play("")
        self.apply(self._kustomization((), {}, {}))
        self.rolled_out()

    def boot(self, name: str) -> None:
        """Tell the collector that the node has been booted since."""
        (self.state_folder / "boot-id").write_text(name, encoding="ascii")

    def play(self, more: str) -> None:
        """Write the scenario that the next collector plays: its clock is the wall's. ``more`` goes on with its node."""
        start = datetime.fromtimestamp(self.began_unix, UTC).isoformat()
        text = SCENARIO.format(start=start, node=NODE, gpus=GPUS, more=more)
        (self.folder / "scenario.toml").write_text(text, encoding="ascii")

    def configure(self, *components: str, added: Mapping[str, object] | None = None, **settings: str) -> None:
        """Have the pod anew, with components of k8s/components, what is added to its template, and settings."""
        self.apply(self._kustomization(components, added or {}, settings))
        self.node.plane.kubectl("rollout", "restart", "-n", NAMESPACE, "daemonset/flopwatch-collector")
        self.rolled_out()

    def rolled_out(self) -> None:
        """Wait until the pod is the DaemonSet's newest, and ready."""
        status = ("rollout", "status", "-n", NAMESPACE, "daemonset/flopwatch-collector", "--timeout=1s")
        wait("the rollout is done", lambda: self.node.plane.kubectl(*status), seconds=90, told=self.told)
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
        here = f"--field-selector=spec.nodeName={NODE}"
        for pod in self.node.plane.get("pods", "-n", NAMESPACE, "-l", selector, here)["items"]:
            conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            if "deletionTimestamp" not in pod["metadata"] and (not ready or conditions.get("Ready") == "True"):
                return dict(pod)
        return None

    def collector_process(self, *, inside: bool = False) -> int:
        """The collector's process id, as the tests see it or as the machine does."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                command = (status.parent / "cmdline").read_bytes().split(b"\0")
                ids = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("NSpid"))
            except (OSError, StopIteration):
                continue
            numbers = [int(each) for each in ids.split()[1:]]
            if len(numbers) > 1 and b"/opt/flopwatch/bin/flopwatch-collector" in command:
                return numbers[1] if inside else numbers[0]
        raise AssertionError("no collector runs in a container")

    def open_files(self) -> int:
        """How many files the collector has open."""
        return len(list(Path("/proc", str(self.collector_process()), "fd").iterdir()))

    def token_path(self) -> str:
        """Where the kubelet keeps the token of the collector's pod, as the machine has it."""
        wait("the collector is ready", lambda: self.collector_pod(ready=True), seconds=60, told=self.told)
        pod = self.collector_pod()
        assert pod is not None, "no collector is there"
        return f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~projected/api-access/..data/token"

    def collector_token(self) -> str:
        """The token of the collector's pod."""
        return self.node.machine.run("cat", self.token_path())

    def processes_of(self, pod_uid: str) -> list[int]:
        """The ids of a pod's processes, as the tests see them, from their control groups; without the sandbox's."""
        found = []
        for group in Path("/proc").glob("[0-9]*/cgroup"):
            with suppress(OSError):
                if f"pod{pod_uid}" in group.read_text() and b"trap" in (group.parent / "cmdline").read_bytes():
                    found.append(int(group.parent.name))
        return found

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

    def counts(self) -> dict[str, int]:
        """How many devices each container holds now."""
        return {who: len(devices) for who, devices in self.held().items()}

    def total(self, metric: Metric, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        wanted = labels.items()
        return sum(each.value for each in self.page() if each.name == metric.name and wanted <= each.labels.items())

    def uuids(self) -> list[str]:
        """The GPUs of the node."""
        return [each.gpu_uuid for each in load_scenario(self.folder / "scenario.toml").node(NODE).gpus]

    def pods(self, phase: str = "") -> list[dict[str, Any]]:
        """The tenants' pods (that are in this phase)."""
        found = [each for name in TENANTS for each in self.node.plane.get("pods", "-n", name)["items"]]
        return [each for each in found if phase in ("", each["status"].get("phase"))]

    def balance(self) -> tuple[float, float]:
        """What is left of the balance sheet (0 if all is well), and by how much its states miss the physical time."""
        page = self.page()
        sums = {
            metric: sum(each.value for each in page if each.name == metric.name)
            for metric in (gpu_metrics.GPU_RESIDUAL, gpu_metrics.GPU_PHYSICAL, gpu_metrics.GPU_SECONDS)
        }
        missed = sums[gpu_metrics.GPU_PHYSICAL] - sums[gpu_metrics.GPU_SECONDS]
        return sums[gpu_metrics.GPU_RESIDUAL], round(missed, 6)

    def gone(self, *pods: str, namespace: str = "alpha") -> None:
        """Delete these pods and wait until nothing is held any more."""
        self.node.plane.kubectl("delete", "-n", namespace, "pod", *pods, "--wait=true")
        wait("nothing is held", lambda: not self.held(), seconds=SOON_SECONDS, told=lambda: str(self.counts()))

    def deploy(self, namespace: str, name: str, gpus: int) -> None:
        """A Deployment of one pod that asks for GPUs."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": pod_spec(gpus, restartPolicy="Always")}
        deployment = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }  # fmt: skip
        self.node.plane.kubectl("apply", "-n", namespace, "-f", "-", text=json.dumps(deployment))

    def hold(self, namespace: str, name: str, gpus: int, **spec: Any) -> dict[str, int]:
        """A bare pod that runs, and what the collector has to say of it as soon as it does: how much it holds."""
        self.run_pod(namespace, name, gpus, **spec)
        wait("it runs", lambda: _is_running(self, namespace, name), seconds=60)
        wait(
            "it holds",
            lambda: self.counts().get(f"{namespace}/{name}/main") == gpus,
            seconds=SOON_SECONDS,
            told=lambda: str(self.counts()),
        )
        return {f"{namespace}/{name}/main": gpus}

    def tidy(self) -> None:
        """After a test that has failed, so that it takes no other with it."""
        plane, parts = self.node.plane, self.node.parts
        if plane.parts["kube-apiserver"].process.poll() is not None:
            plane.start_api_server()
        if parts["containerd"].process.poll() is not None:
            self.node.start_containerd()
        if parts["kubelet"].process.poll() is not None:
            self.node.start_kubelet()
        with suppress(NotStarted):
            plane.kubectl("taint", "node", NODE, f"{TAINT}-")
        with suppress(NotStarted):
            plane.kubectl("uncordon", NODE)
        for name in TENANTS:
            plane.kubectl("delete", "deployments,jobs,pods", "--all", "-n", name, "--wait=true", "--timeout=60s")
        if self.devices.read_text(encoding="ascii").split() != self.uuids():  # anew, it makes the kubelet refuse pods
            self.start_plugin(*self.uuids())
            wait("the node offers its GPUs", lambda: self.offered() == GPUS)

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

    def _kustomization(
        self, components: tuple[str, ...], added: Mapping[str, object], settings: dict[str, str]
    ) -> Path:
        """A site's own folder: the overlay with the image of the tests, and their scenario."""
        site = self.folder / f"site-{len(list(self.folder.glob('site-*')))}"
        site.mkdir()
        k8s = os.path.relpath(ROOT / "k8s", site)
        # The scenario goes on where a collector is replaced; else its clock would begin anew with every process.
        literals = {"BEGINS_AT": str(self.began_unix), **SETTINGS, **settings}
        named = ", ".join(f"{k8s}/components/{each}" for each in components)
        more = {"nodeSelector": {COLLECTED: "yes"}, **added}
        patch = [{"op": "add", "path": f"/spec/template/spec/{path}", "value": value} for path, value in more.items()]
        text = (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f"resources: [{k8s}/overlays/demo]\ncomponents: [{named}]\n"
            f"images: [{{name: flopwatch-collector, newName: {IMAGE.rpartition(':')[0]}, newTag: test}}]\n"
            f"configMapGenerator:\n- name: flopwatch-scenario\n  namespace: {NAMESPACE}\n"
            "  behavior: replace\n  files: [../scenario.toml]\n"
            f"- name: flopwatch-collector\n  namespace: {NAMESPACE}\n  behavior: merge\n  literals:\n"
            + "".join(f"  - FLOPWATCH_COLLECTOR_{name}={value}\n" for name, value in literals.items())
            + "patches:\n- target: {kind: DaemonSet, name: flopwatch-collector}\n  patch: |\n"
            f"    {json.dumps(patch)}\n"
        )
        (site / "kustomization.yaml").write_text(text, encoding="ascii")
        return site


def _is_running(site: Site, namespace: str, name: str) -> bool:
    path = "jsonpath={.status.phase}"
    return site.node.plane.kubectl("get", "pod", name, "-n", namespace, "-o", path) == "Running"


def a_container(name: str, gpus: int, command: str) -> dict[str, Any]:
    """A container of busybox."""
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    shell = ["/bin/sh", "-c", f"trap 'exit 0' TERM; {command} & wait"]
    return {
        "name": name, "image": PAUSE, "imagePullPolicy": "Never", "command": shell, "resources": {"limits": limits},
    }  # fmt: skip


def moment(pod: dict[str, Any], state: str, what: str) -> float:
    """When a pod's only container has begun or ended, by what the kubelet says: whole seconds since 1970."""
    (container,) = pod["status"]["containerStatuses"]
    return unix(container["state"][state][what])


def unix(date: str) -> float:
    """Seconds since 1970, of a date as Kubernetes writes it."""
    return datetime.fromisoformat(date).timestamp()


def pod_spec(gpus: int, command: str = "sleep 1000000", **more: Any) -> dict[str, Any]:
    """One container; ``more`` are further fields of the spec."""
    return {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "containers": [a_container("main", gpus, command)],
    } | more  # fmt: skip


def wait(
    what: str,
    is_so: Callable[[], Any],
    *,
    seconds: float = 30.0,
    pause_seconds: float = 0.1,
    told: Callable[[], str] = lambda: "",
) -> float:
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
        time.sleep(pause_seconds)
