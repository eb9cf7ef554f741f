"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler of one cluster."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.binaries import ETCD, built, kubernetes
from cluster.certificates import Authority
from cluster.machine import ADDRESS, POD_NETWORK, SERVICE_NETWORK, Machine, NotStarted, Part

SERVER = f"https://{ADDRESS}:6443"
SERVICE_ADDRESS = "10.213.128.1"
"""Of the Service ``kubernetes``: the first of its network."""


@dataclass(slots=True)
class ControlPlane:
    """A started control plane; ``admin`` is the kubeconfig of who may do everything."""

    machine: Machine
    programs: Path
    authority: Authority
    admin: Path
    parts: dict[str, Part] = field(default_factory=dict)

    @classmethod
    def start(cls, machine: Machine) -> "ControlPlane":
        """All four, once the server is ready. Raises ``NotStarted``."""
        authority = Authority.make(machine.folder / "pki")
        admin = authority.kubeconfig("admin", SERVER, group="system:masters")
        plane = cls(machine=machine, programs=built(kubernetes()), authority=authority, admin=admin)
        plane._start_etcd()
        plane.start_api_server()
        for name in ("kube-controller-manager", "kube-scheduler"):
            plane._start_controller(name)
        return plane

    def kubectl(self, *arguments: str, text: str | None = None, kubeconfig: Path | None = None) -> str:
        """What kubectl prints. Raises ``NotStarted`` with its error."""
        command = ["kubectl", "--kubeconfig", str(kubeconfig or self.admin), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """An object, or a list of them."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def start_api_server(self) -> None:
        """Start it, also again; returns when it is ready."""
        pki, (certificate, key) = self.authority.folder, self._server_certificate()
        client_certificate, client_key = self.authority.of("kubelet-client", group="system:masters")
        part = self.parts["kube-apiserver"] = self.machine.begin(
            "kube-apiserver", str(self.programs / "kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379", f"--bind-address={ADDRESS}", f"--advertise-address={ADDRESS}",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--client-ca-file={pki / 'ca.crt'}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--anonymous-auth=false",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki / 'service-account.key'}",
            f"--service-account-signing-key-file={pki / 'service-account.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={client_certificate}", f"--kubelet-client-key={client_key}",
            "--kubelet-preferred-address-types=InternalIP", "--allow-privileged", "--v=1",
        )  # fmt: skip
        self.machine.wait_for("the API server is ready", self._is_ready, part=part)

    def _is_ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz") == "ok"
        except NotStarted:
            return False

    def _server_certificate(self) -> tuple[Path, Path]:
        names = ("kubernetes.default.svc", "localhost", "127.0.0.1", ADDRESS, SERVICE_ADDRESS)
        return self.authority.of("kube-apiserver", addresses=names)

    def _start_etcd(self) -> None:
        self.parts["etcd"] = self.machine.begin(
            "etcd", str(built(ETCD) / "etcd"), f"--data-dir={self.machine.folder / 'etcd'}", "--unsafe-no-fsync",
            "--log-level=warn",
        )  # fmt: skip

    def _start_controller(self, name: str) -> None:
        pki = self.authority.folder
        kubeconfig = self.authority.kubeconfig(name, SERVER, user=f"system:{name}")
        more = (
            "--use-service-account-credentials", f"--root-ca-file={pki / 'ca.crt'}", f"--cluster-cidr={POD_NETWORK}",
            f"--service-account-private-key-file={pki / 'service-account.key'}", "--controllers=*,-nodeipam",
        )  # fmt: skip
        self.parts[name] = self.machine.begin(
            name, str(self.programs / name), f"--kubeconfig={kubeconfig}", "--leader-elect=false",
            "--bind-address=127.0.0.1", *(more if name == "kube-controller-manager" else ()),
        )  # fmt: skip
