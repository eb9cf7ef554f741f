"""The nodes' manifests, as kustomize renders them: what they promise, with each overlay, and the image's lock."""

import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDERS = ("base/nodes", "overlays/demo", "overlays/process-check", "overlays/nvidia-runtime-class")
Object = dict[str, Any]

pytestmark = pytest.mark.skipif(
    not shutil.which("kubectl") and not os.environ.get("FLOPWATCH_REQUIRE_CLUSTER"), reason="kubectl is missing"
)


@cache
def rendered(folder: str) -> tuple[Object, ...]:
    """Every object of a folder."""
    command = ["kubectl", "kustomize", str(ROOT / "k8s" / folder)]
    return tuple(yaml.safe_load_all(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def the(folder: str, kind: str) -> Object:
    """The one object of a kind."""
    (found,) = (each for each in rendered(folder) if each["kind"] == kind)
    return found


def pod_of(folder: str) -> Object:
    """What the DaemonSet's pods are."""
    spec: Object = the(folder, "DaemonSet")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_pod_has_no_privilege(folder: str) -> None:
    """No capability, no escalation, a read-only root, seccomp, a projected token alone, two folders of the node."""
    pod = pod_of(folder)
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostIPC"} & set(pod)
    assert pod.get("hostPID", False) is (folder == "overlays/process-check")
    hosts = {each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert hosts == {"/var/lib/kubelet/pod-resources", "/var/lib/flopwatch"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_pod_names_is_there_or_the_sites_to_make(folder: str) -> None:
    """Settings exist, volumes are mounted, generated ConfigMaps are there, and the guide tells of the secret."""
    pod = pod_of(folder)
    (container,) = pod["containers"]
    settings = {f"FLOPWATCH_COLLECTOR_{name.upper()}" for name in Settings.__dataclass_fields__}
    ours = {each["name"] for each in container["env"] if each["name"].startswith("FLOPWATCH_")}
    assert ours <= settings
    assert {each["name"] for each in pod["volumes"]} == {each["name"] for each in container["volumeMounts"]}
    made = {each["metadata"]["name"] for each in rendered(folder) if each["kind"] == "ConfigMap"} | {"kube-root-ca.crt"}
    assert {each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each} <= made
    (secret,) = (each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each)
    assert f"create secret generic {secret}" in (ROOT / "k8s" / "README.md").read_text(encoding="utf-8")


def test_the_role_reads_pods_and_namespaces_and_no_more() -> None:
    """As the guide's table says: no write, no secret, no node, no subresource."""
    assert the("base/nodes", "ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    ]


def test_every_pod_has_its_probes_its_share_and_its_policy() -> None:
    """Liveness and readiness by the two paths, requests and a memory limit, and a policy for both directions."""
    (container,) = pod_of("base/nodes")["containers"]
    paths = [container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")]
    assert paths == ["/healthz", "/readyz"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]
    policies = [each["spec"] for each in rendered("base/nodes") if each["kind"] == "NetworkPolicy"]
    assert all(each["policyTypes"] == ["Ingress", "Egress"] for each in policies)
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies


def test_the_lock_of_the_image_is_a_part_of_the_projects() -> None:
    """Each line stands in requirements.lock with the same hashes, and all that the collector asks for is there."""

    def pins(path: Path) -> dict[str, frozenset[str]]:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
        return {line.split()[0]: frozenset(re.findall("sha256:[0-9a-f]{64}", line)) for line in lines}

    image, project = pins(ROOT / "k8s" / "images" / "collector.lock"), pins(ROOT / "requirements.lock")
    assert image.items() <= project.items()
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {re.split("[>=]", each)[0] for each in asked["collector"]} <= {each.split("==")[0] for each in image}
