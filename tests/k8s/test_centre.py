"""The centre's manifests, as kustomize renders them: what they promise, and that what they name is there."""

from functools import partial

import pytest
from support import manifests
from support.manifests import ROOT, Object, needs_kubectl

from policy.commands.health import PATH as HEALTH_PATH
from policy.commands.health import read_address
from policy.settings import ENVIRONMENT_PREFIX, Settings
from policy.usage.sources.apiserver import SERVICE_ACCOUNT
from policy.usage.sources.pods import PORT_NAME, SELECTOR

FOLDER = "base/centre"
GUIDE = (ROOT / "k8s" / "centre.md").read_text(encoding="utf-8")
WORKLOADS = ("flopwatch-engine", "flopwatch-api")
LABEL = "app.kubernetes.io/name"
BINDINGS = (
    ("base/nodes", "RoleBinding"),
    ("base/centre", "ClusterRoleBinding"),
    ("base", "RoleBinding"),
    ("base", "ClusterRoleBinding"),
)

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


def test_the_engine_may_list_collectors_and_get_nodes_and_no_more() -> None:
    """One ClusterRole and one Role, each bound to the engine's account alone, also where both bases are applied."""
    account = {"kind": "ServiceAccount", "name": "flopwatch-engine", "namespace": "flopwatch-system"}
    cluster = of_kind("ClusterRole")
    assert [each["rules"] for each in cluster.values()] == [
        [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]
    ]
    assert not of_kind("Role")
    for folder in ("base", "base/nodes"):
        (role,) = manifests.of_kind(folder, "Role").values()
        assert role["metadata"]["namespace"] == "flopwatch-nodes"
        assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    for binding in (manifests.of_kind(folder, kind)["flopwatch-engine"] for folder, kind in BINDINGS):
        assert binding["subjects"] == [account]
        assert binding["roleRef"]["name"] == "flopwatch-engine"
        assert binding["roleRef"]["kind"] == binding["kind"].removesuffix("Binding")


def test_only_the_engine_has_a_token_and_it_is_short_lived() -> None:
    """No account's token is mounted by itself; the engine's pod has a projected one, which its group may read."""
    accounts = of_kind("ServiceAccount")
    assert [each["automountServiceAccountToken"] for each in accounts.values()] == [False, False]
    for name in WORKLOADS:
        assert pod_of(name)["spec"]["automountServiceAccountToken"] is False
        assert pod_of(name)["spec"]["serviceAccountName"] in accounts
    assert not [each for each in pod_of("flopwatch-api")["spec"]["volumes"] if "projected" in each]
    (volume,) = (each for each in pod_of("flopwatch-engine")["spec"]["volumes"] if "projected" in each)
    (mount,) = (each for each in container_of("flopwatch-engine")["volumeMounts"] if each["name"] == volume["name"])
    assert (mount["mountPath"], mount["readOnly"]) == (str(SERVICE_ACCOUNT), True)
    assert volume["projected"]["defaultMode"] == 0o440
    token, authority = volume["projected"]["sources"]
    assert token["serviceAccountToken"] == {"path": "token", "expirationSeconds": 3600}
    assert authority["configMap"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]


def test_the_engine_looks_for_the_collectors_of_the_other_base() -> None:
    """Namespace, label and port are those of the nodes' base; a site's own ConfigMap is read after the default."""
    (collectors,) = manifests.of_kind("base/nodes", "DaemonSet").values()
    defaults = of_kind("ConfigMap")["flopwatch-centre-defaults"]["data"]
    assert defaults == {"FLOPWATCH_TARGETS": f"kubernetes:{collectors['metadata']['namespace']}"}
    label, _, value = SELECTOR.partition("=")
    assert collectors["spec"]["template"]["metadata"]["labels"][label] == value
    (port,) = collectors["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert (port["name"], port["containerPort"]) == (PORT_NAME, 9478)
    settings = [each["configMapRef"] for each in container_of("flopwatch-engine")["envFrom"]]
    assert settings == [{"name": "flopwatch-centre-defaults"}, {"name": "flopwatch-centre", "optional": True}]
    assert "FLOPWATCH_TARGETS" not in {each["name"] for each in container_of("flopwatch-engine")["env"]}


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
        elif "projected" in volume:
            assert {"kube-root-ca.crt"} == {
                each["configMap"]["name"] for each in volume["projected"]["sources"] if "configMap" in each
            }
        elif "configMap" in volume:
            assert volume["configMap"]["optional"] is True
            assert f"create configmap {volume['configMap']['name']} " in GUIDE
        else:
            assert "sizeLimit" in volume["emptyDir"]
    assert all(f"| ConfigMap `{each}` |" in GUIDE for each in settings if each not in of_kind("ConfigMap"))


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_variable_is_a_setting(name: str) -> None:
    """What the environment says is what the product reads."""
    known = {ENVIRONMENT_PREFIX + field.upper() for field in Settings.model_fields}
    named = {each["name"] for each in container_of(name)["env"]} - {"POD_IP"}  # what the address is made of
    assert named | set(of_kind("ConfigMap")["flopwatch-centre-defaults"]["data"]) <= known


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
    """All is denied but the engine's way to collectors and the API server, and a labelled reader's way to the API."""
    policies = {name: each["spec"] for name, each in of_kind("NetworkPolicy").items()}
    assert policies["nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["flopwatch-engine"]["egress"] == [
        {"ports": [{"protocol": "TCP", "port": 9478}]},
        {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]},
    ]
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


@pytest.mark.parametrize(
    ("name", "probes"),
    [
        ("flopwatch-api", ("startupProbe", "livenessProbe", "readinessProbe")),
        ("flopwatch-engine", ("startupProbe", "livenessProbe")),
    ],
)
def test_both_are_probed_where_they_answer_without_a_token(name: str, probes: tuple[str, ...]) -> None:
    """Every probe asks /healthz at the container's one port; no Service leads to the engine, so it needs no third."""
    container = container_of(name)
    (port,) = container["ports"]
    assert {each for each in container if each.endswith("Probe")} == set(probes)
    for each in probes:
        assert container[each]["httpGet"] == {"path": HEALTH_PATH, "port": port["name"]}


def test_the_engine_tells_its_health_at_the_pods_address() -> None:
    """The variable that names the address comes before the one that uses it, and the port is the probes'."""
    container = container_of("flopwatch-engine")
    names = [each["name"] for each in container["env"]]
    (listen,) = (each["value"] for each in container["env"] if each["name"] == "FLOPWATCH_HEALTH_LISTEN")
    assert names.index("POD_IP") < names.index("FLOPWATCH_HEALTH_LISTEN")
    (port,) = container["ports"]
    for address in ("10.0.0.7", "fd00::7"):
        assert read_address(listen.replace("$(POD_IP)", address)) == (address, port["containerPort"])


def test_overrides_of_the_facts_are_a_folder_that_the_engine_reads() -> None:
    """The component mounts the guide's ConfigMap read-only where the variable points, and changes nothing else."""
    plain, ours = (manifests.of_kind(folder, "Deployment") for folder in (FOLDER, "overlays/facts-overrides"))
    assert plain["flopwatch-api"] == ours["flopwatch-api"]
    before, after = (each["flopwatch-engine"]["spec"]["template"]["spec"] for each in (plain, ours))
    assert [each for each in after["volumes"] if each not in before["volumes"]] == [
        {"name": "facts", "configMap": {"name": "flopwatch-facts"}}
    ]
    (before,), (after,) = before["containers"], after["containers"]
    (mount,) = (each for each in after["volumeMounts"] if each not in before["volumeMounts"])
    (variable,) = (each for each in after["env"] if each not in before["env"])
    assert variable == {"name": f"{ENVIRONMENT_PREFIX}FACTS", "value": mount["mountPath"]}
    assert (mount["name"], mount["readOnly"], "facts" in Settings.model_fields) == ("facts", True, True)
    assert "create configmap flopwatch-facts " in GUIDE


def test_a_drain_is_held_up_by_neither() -> None:
    """The API's budget always lets one replica go, also one that is not well, and chooses the API's pods."""
    (budget,) = of_kind("PodDisruptionBudget").values()
    assert (budget["spec"]["maxUnavailable"], budget["spec"]["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["spec"]["selector"]["matchLabels"].items() <= pod_of("flopwatch-api")["metadata"]["labels"].items()
