"""The centre's manifests, as kustomize renders them: what they promise, and that what they name is there."""

from functools import partial

import pytest
from support import manifests
from support.manifests import ROOT, Object, needs_kubectl

from policy.settings import ENVIRONMENT_PREFIX, Settings

FOLDER = "base/centre"
GUIDE = (ROOT / "k8s" / "centre.md").read_text(encoding="utf-8")
WORKLOADS = ("flopwatch-engine", "flopwatch-api")
LABEL = "app.kubernetes.io/name"

pytestmark = needs_kubectl
of_kind = partial(manifests.of_kind, FOLDER)


def pod_of(name: str) -> Object:
    """The pod's template of a Deployment."""
    template: Object = of_kind("Deployment")[name]["spec"]["template"]
    return template


def container_of(name: str) -> Object:
    """Its one container."""
    (container,) = pod_of(name)["spec"]["containers"]
    found: Object = container
    return found


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_pods_are_as_restricted_as_their_namespace_asks(name: str) -> None:
    """No root, no capability, no escalation, a read-only root, seccomp, nothing of the host."""
    spec, container = pod_of(name)["spec"], container_of(name)
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]


def test_nobody_there_may_ask_the_api_server() -> None:
    """There is no role of any kind, and no pod and no account mounts a token."""
    kinds = {each["kind"] for each in manifests.rendered(FOLDER)}
    assert not [kind for kind in kinds if "Role" in kind]
    accounts = of_kind("ServiceAccount")
    assert [each["automountServiceAccountToken"] for each in accounts.values()] == [False, False]
    for name in WORKLOADS:
        assert pod_of(name)["spec"]["automountServiceAccountToken"] is False
        assert pod_of(name)["spec"]["serviceAccountName"] in accounts


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_a_pod_mounts_is_in_the_base_or_in_the_guide(name: str) -> None:
    """Every claim is an object of the base; every secret and every config map is one that the guide tells to make."""
    spec, container = pod_of(name)["spec"], container_of(name)
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in spec["volumes"]}
    settings = [each["configMapRef"]["name"] for each in container.get("envFrom", ())]
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in of_kind("PersistentVolumeClaim")
        elif "secret" in volume:
            assert f"create secret generic {volume['secret']['secretName']} " in GUIDE
        elif "configMap" in volume:
            assert f"create configmap {volume['configMap']['name']} " in GUIDE
        else:
            assert "sizeLimit" in volume["emptyDir"]
    assert all(f"| ConfigMap `{each}` |" in GUIDE for each in settings)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_variable_is_a_setting(name: str) -> None:
    """What the environment says is what the product reads."""
    known = {ENVIRONMENT_PREFIX + field.upper() for field in Settings.model_fields}
    assert {each["name"] for each in container_of(name)["env"]} <= known


def test_both_open_the_same_files() -> None:
    """Database and tokens have one address in both pods, and the API runs where the engine does."""
    files = [
        {each["name"]: each["value"] for each in container_of(name)["env"] if "value" in each} for name in WORKLOADS
    ]
    for variable in ("FLOPWATCH_DATABASE", "FLOPWATCH_TOKENS"):
        assert files[0][variable] == files[1][variable]
    (near,) = pod_of("flopwatch-api")["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert near["labelSelector"]["matchLabels"].items() <= pod_of("flopwatch-engine")["metadata"]["labels"].items()
    for each in of_kind("Deployment").values():
        assert (each["spec"]["replicas"], each["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_selectors_find_their_pods() -> None:
    """Deployment, Service and NetworkPolicy each select the pods that they are about."""
    for name in WORKLOADS:
        labels = pod_of(name)["metadata"]["labels"]
        deployment, policy = of_kind("Deployment")[name], of_kind("NetworkPolicy")[name]
        for selector in (deployment["spec"]["selector"], policy["spec"]["podSelector"]):
            assert selector["matchLabels"] == {LABEL: name}
            assert selector["matchLabels"].items() <= labels.items()
    service = of_kind("Service")["flopwatch-api"]
    assert service["spec"]["selector"].items() <= pod_of("flopwatch-api")["metadata"]["labels"].items()
    (port,) = container_of("flopwatch-api")["ports"]
    assert (service["spec"]["ports"][0]["targetPort"], port["containerPort"]) == (port["name"], 9479)


def test_only_what_is_asked_goes_in_and_out() -> None:
    """All is denied both ways, but for the engine's way to collectors and a labelled reader's way to the API."""
    policies = {name: each["spec"] for name, each in of_kind("NetworkPolicy").items()}
    assert policies["nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["flopwatch-engine"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 9478}]}]
    assert "ingress" not in policies["flopwatch-engine"]
    (way,) = policies["flopwatch-api"]["ingress"]
    assert way["ports"] == [{"protocol": "TCP", "port": 9479}]
    assert [set(each) for each in way["from"]] == [{"namespaceSelector", "podSelector"}]
    assert "egress" not in policies["flopwatch-api"]


def test_the_engine_is_let_in_at_the_collectors() -> None:
    """Its pod and its namespace carry the label that the collectors' policy asks for, and only the engine's does."""
    (namespace,) = of_kind("Namespace").values()
    assert namespace["metadata"]["labels"]["flopwatch.io/may-scrape"] == "true"
    carrying = [name for name in WORKLOADS if "flopwatch.io/may-scrape" in pod_of(name)["metadata"]["labels"]]
    assert carrying == ["flopwatch-engine"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_container_says_what_it_needs(name: str) -> None:
    """Requests for both, a limit on memory and none on processor time, which would only slow it down."""
    resources = container_of(name)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


def test_the_api_is_probed_where_it_answers_without_a_token() -> None:
    """All three probes ask for /healthz; the engine serves nothing and has none."""
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    api = container_of("flopwatch-api")
    assert {api[each]["httpGet"]["path"] for each in probes} == {"/healthz"}
    assert not set(probes) & set(container_of("flopwatch-engine"))
