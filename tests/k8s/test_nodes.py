"""The nodes' manifests, as kustomize renders them: what they promise, with each overlay."""

import pytest
from support.manifests import ROOT, Object, needs_kubectl, of_kind

from collector.settings import Settings

FOLDERS = ("base/nodes", "overlays/demo", "overlays/process-check", "overlays/nvidia-runtime-class")

pytestmark = needs_kubectl


def the(folder: str, kind: str) -> Object:
    """The one object of a kind."""
    (found,) = of_kind(folder, kind).values()
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
    made = set(of_kind(folder, "ConfigMap")) | {"kube-root-ca.crt"}
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
    policies = [each["spec"] for each in of_kind("base/nodes", "NetworkPolicy").values()]
    assert all(each["policyTypes"] == ["Ingress", "Egress"] for each in policies)
    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
