"""The centre on the cluster: its image, engine and API as pods, and what they say through the API's Service."""

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.images import ROOT, Images
from cluster.machine import NotStarted
from cluster.node import Node
from cluster.site import TOKEN, wait

IMAGE = "localhost/flopwatch-centre:test"
NAMESPACE = "flopwatch-system"
USER = 65532
"""Whom the manifests run it as."""


@dataclass(slots=True)
class Centre:
    """The centre of one site."""

    node: Node
    folder: Path
    image_mib: float = 0.0

    def install(self, *, tenants: str, settings: dict[str, str]) -> None:
        """Build and load the image, make what it is given, apply the manifests; returns when the engine's pod is up."""
        archive = Images(self.node.machine.folder / "images").archive("centre.Dockerfile", IMAGE)
        self.image_mib = archive.stat().st_size / 2**20
        self.node.load(archive, IMAGE)
        data = self.folder / "centre-data"
        data.mkdir()
        os.chown(data, USER, USER)
        variables = {f"FLOPWATCH_{name}": value for name, value in settings.items()}
        for each in (
            _named("v1", "Namespace", NAMESPACE),
            _named("v1", "Secret", "flopwatch-scrape-token") | {"stringData": {"token": TOKEN}},
            _named("v1", "Secret", "flopwatch-tenants") | {"stringData": {"tenants.csv": tenants}},
            _named("v1", "ConfigMap", "flopwatch-centre") | {"data": variables},
            _volume(data),
        ):
            self.kubectl("apply", "-f", "-", text=json.dumps(each))
        rendered = self.kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", str(self._kustomization()))
        self.kubectl("apply", "-f", "-", text=rendered)
        status = ("rollout", "status", "deployment/flopwatch-engine", "--timeout=1s")
        wait("the engine is ready", lambda: self.kubectl(*status), seconds=90, told=self.told)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl prints, in the centre's namespace."""
        return self.node.plane.kubectl("-n", NAMESPACE, *arguments, text=text)

    def flopwatch(self, *arguments: str) -> str:
        """What the command prints in the engine's pod."""
        return self.kubectl("exec", "deploy/flopwatch-engine", "--", "flopwatch", *arguments)

    def engine_token(self) -> str:
        """What the engine's pod shows the API server."""
        path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        return self.kubectl("exec", "deploy/flopwatch-engine", "--", "cat", path)

    def token(self, reviewer: str) -> str:
        """A new token of this reviewer; returns when the API knows it."""
        said = self.flopwatch("review", "add-token", reviewer)
        token = next(word for word in said.split() if len(word) > 30)
        wait("the API knows it", lambda: self.curl(token, "/v1/tickets"), seconds=120, told=self.told)
        return token

    def targets(self) -> list[dict[str, Any]]:
        """What became of asking each collector, last time."""
        return list(json.loads(self.flopwatch("status", "--format", "json"))["targets"])

    def heard(self) -> int:
        """How many nodes' collectors answered well, last time."""
        return sum(each["state"] == "ok" and each["node"] is not None for each in self.targets())

    def curl(self, token: str, path: str, body: object = None) -> Any:
        """What the API answers through its Service. Raises ``NotStarted`` with the status of a refusal."""
        address = self.kubectl("get", "service", "flopwatch-api", "-o", "jsonpath={.spec.clusterIP}")
        command = ["curl", "-s", "-m", "10", "-w", "\\n%{http_code}", "-H", f"Authorization: Bearer {token}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run([*command, f"http://{address}:9479{path}"], capture_output=True, text=True, check=False)
        answer, _, status = done.stdout.rpartition("\n")
        if status != "200":
            raise NotStarted(f"{path} answers {status}: {answer}")
        return json.loads(answer)

    def told(self) -> str:
        """What the cluster and the pods say, for whoever waits in vain."""
        says = ""
        for command in (
            ["get", "events"],
            ["get", "pods"],
            ["logs", "deploy/flopwatch-engine", "--tail=30"],
            ["logs", "deploy/flopwatch-api", "--tail=10"],
        ):
            with suppress(NotStarted):
                says += self.kubectl(*command)
        return says

    def _kustomization(self) -> Path:
        site = self.folder / "centre"
        site.mkdir()
        text = (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f"resources: [{os.path.relpath(ROOT / 'k8s' / 'base' / 'centre', site)}]\n"
            f"images: [{{name: flopwatch-centre, newName: {IMAGE.rpartition(':')[0]}, newTag: test}}]\n"
        )
        (site / "kustomization.yaml").write_text(text, encoding="ascii")
        return site


def _named(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _volume(folder: Path) -> dict[str, Any]:
    """A disk for the claim of the manifests; without a plugin for volumes nobody gives it to their group."""
    spec = {
        "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(folder)},
        "claimRef": {"namespace": NAMESPACE, "name": "flopwatch-centre"},
    }  # fmt: skip
    return _named("v1", "PersistentVolume", "flopwatch-centre") | {"spec": spec}
