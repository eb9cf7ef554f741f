"""A real node of the cluster: containerd, kubelet and kube-proxy."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cluster.control_plane import SERVER, ControlPlane
from cluster.images import PAUSE, pause_image
from cluster.machine import ADDRESS, POD_NETWORK, Machine, NotStarted, Part

NODE = "node-a"
CNI_PROGRAMS = "/usr/lib/cni"
CGROUPS = "flopwatch-cluster"
"""Below it are all cgroups of the node, so that they can be removed."""


@dataclass(slots=True)
class Node:
    """A started node."""

    plane: ControlPlane
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def machine(self) -> Machine:
        """What it runs on."""
        return self.plane.machine

    @classmethod
    def start(cls, plane: ControlPlane) -> "Node":
        """A node that is ready. Raises ``NotStarted``."""
        node = cls(plane=plane)
        remove_cgroups()
        _make_cgroups()
        node.start_containerd()
        node.load(pause_image(plane.machine.folder), PAUSE)
        node.start_kubelet()
        node._start_proxy()
        plane.machine.wait_for("the node is ready", node._is_ready, part=node.parts["kubelet"], seconds=90)
        return node

    def load(self, archive: Path, name: str) -> None:
        """Have this image on the node, under one name: of two for one digest the runtime may look up the wrong one."""
        self.ctr("images", "import", "--base-name", name.rpartition(":")[0], str(archive))

    def ctr(self, *arguments: str) -> str:
        """What containerd's own command prints, in the namespace of Kubernetes."""
        return self.machine.run("ctr", "--address", str(self._socket), "--namespace", "k8s.io", *arguments)

    def start_containerd(self) -> None:
        """Start it, also again."""
        folder = self.machine.folder
        config = folder / "containerd.toml"
        config.write_text(_containerd(folder, self._socket), encoding="ascii")
        self._socket.unlink(missing_ok=True)  # of one that was killed
        part = self.parts["containerd"] = self.machine.begin("containerd", "containerd", "--config", str(config))
        self.machine.wait_for("containerd answers", self._socket.exists, part=part)

    def start_kubelet(self, **settings: object) -> None:
        """Start it, also again; ``settings`` go over those of its configuration."""
        folder, authority = self.machine.folder, self.plane.authority
        kubeconfig = authority.kubeconfig("kubelet", SERVER, user=f"system:node:{NODE}", group="system:nodes")
        certificate, key = authority.of("kubelet-server", user=NODE, addresses=(ADDRESS, NODE))
        config = folder / "kubelet.json"
        config.write_text(
            json.dumps(_kubelet(authority.folder / "ca.crt", certificate, key, self._socket) | settings),
            encoding="ascii",
        )
        self.parts["kubelet"] = self.machine.begin(
            "kubelet", str(self.plane.programs / "kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}",
            f"--hostname-override={NODE}", f"--node-ip={ADDRESS}", "--v=2",
        )  # fmt: skip

    def power_off(self) -> None:
        """End kubelet, runtime, and every container, at once, as when the power fails."""
        for name in ("kubelet", "containerd"):
            self.parts[name].stop(signal.SIGKILL)
        for shim in self.machine.run("pgrep", "-f", "containerd-shim").split():
            with suppress(NotStarted):
                self.machine.run("kill", "-9", shim)
        for tasks in Path("/sys/fs/cgroup").glob(f"pids/{CGROUPS}/**/cgroup.procs"):
            for pid in tasks.read_text(encoding="ascii").split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def _start_proxy(self) -> None:
        kubeconfig = self.plane.authority.kubeconfig("kube-proxy", SERVER, user="system:kube-proxy")
        config = self.machine.folder / "kube-proxy.json"
        settings = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables",
            "clientConnection": {"kubeconfig": str(kubeconfig)}, "hostnameOverride": NODE, "clusterCIDR": POD_NETWORK,
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }  # fmt: skip
        config.write_text(json.dumps(settings), encoding="ascii")
        program = str(self.plane.programs / "kube-proxy")
        self.parts["kube-proxy"] = self.machine.begin("kube-proxy", program, f"--config={config}")

    @property
    def _socket(self) -> Path:
        return self.machine.folder / "containerd.sock"

    def _is_ready(self) -> bool:
        nodes = [each for each in self.plane.get("nodes")["items"] if each["metadata"]["name"] == NODE]
        conditions = nodes[0]["status"].get("conditions", []) if nodes else []
        return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def remove_cgroups() -> None:
    """What a node's kubelet has made of cgroups; they outlive the processes that were in them."""
    for top in Path("/sys/fs/cgroup").glob(f"*/{CGROUPS}"):
        for folder in sorted((each for each in top.rglob("*") if each.is_dir()), reverse=True):
            folder.rmdir()
        top.rmdir()


def _make_cgroups() -> None:
    """The kubelet wants them made; in a new cpuset nothing may run until it has processors and memory."""
    for top in (each for each in Path("/sys/fs/cgroup").iterdir() if (each / "tasks").exists()):
        (top / CGROUPS).mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (top / name).exists():
                (top / CGROUPS / name).write_text((top / name).read_text(encoding="ascii"), encoding="ascii")


def _containerd(folder: Path, socket: Path) -> str:
    """Containerd 1.6's configuration; without restrict_oom_score_adj every sandbox dies where root may not lower it."""
    conf = folder / "cni"
    conf.mkdir(exist_ok=True)
    network = {
        "cniVersion": "0.4.0", "name": "cluster",
        "plugins": [
            {
                "type": "ptp", "ipMasq": False,
                "ipam": {
                    "type": "host-local", "dataDir": "/var/lib/cni/networks",
                    "ranges": [[{"subnet": POD_NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }  # fmt: skip
    (conf / "10-cluster.conflist").write_text(json.dumps(network), encoding="ascii")
    return f"""version = 2
root = "{folder / "containerd"}"
state = "{folder / "containerd-run"}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PROGRAMS}"
conf_dir = "{conf}"
"""


def _kubelet(ca: Path, certificate: Path, key: Path, socket: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "Webhook"}, "tlsCertFile": str(certificate), "tlsPrivateKeyFile": str(key),
        "address": ADDRESS, "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{CGROUPS}", "failCgroupV1": False,
        "containerRuntimeEndpoint": f"unix://{socket}", "localStorageCapacityIsolation": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "clusterDNS": [], "resolvConf": "", "failSwapOn": False, "nodeStatusUpdateFrequency": "2s",
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99, "registerNode": True,
        "enforceNodeAllocatable": [], "cgroupsPerQOS": True, "evictionPressureTransitionPeriod": "1s",
    }  # fmt: skip
