"""The collector's image as the DaemonSet's pod on a real kubelet: who holds which GPU, and until when."""

import json
import time
from pathlib import Path

from cluster.access import Access
from cluster.control_plane import SERVICE_ADDRESS
from cluster.images import ROOT
from cluster.machine import NotStarted
from cluster.site import GPUS, NAMESPACE, SOON_SECONDS, Site, a_container, moment, pod_spec, wait

from collector.contract import gpu_metrics, holder_metrics


def test_its_pod_is_restricted_as_the_manifest_says(site: Site) -> None:
    """User 0 without a capability, with a read-only root and no token but its own; it reads every GPU."""
    pod = site.collector_pod(ready=True)
    assert pod is not None
    status = (Path(f"/proc/{site.collector_process()}") / "status").read_text(encoding="ascii")
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {name: int(told[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == dict.fromkeys(
        ("CapEff", "CapPrm", "CapBnd"), 0
    )
    assert (told["NoNewPrivs"], told["Seccomp"], told["Uid"].split()[0]) == ("1", "2", "0")
    assert (site.total(gpu_metrics.GPUS), site.total(gpu_metrics.GPU_RESIDUAL)) == (GPUS, 0)


def test_the_api_server_accepts_the_whole_base(site: Site) -> None:
    """Nodes and centre, by schema and by the Pod Security level that each namespace states; without a warning."""
    kubectl = site.node.plane.kubectl
    kubectl("apply", "-f", str(ROOT / "k8s" / "base" / "centre" / "namespace.yaml"))
    for overlay in ("base", "overlays/process-check"):
        rendered = kubectl("kustomize", str(ROOT / "k8s" / overlay))
        kubectl("apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", text=rendered)


def test_every_device_is_its_pods_and_nobody_elses(site: Site, figures: dict[str, float]) -> None:
    """A bare pod, a Job and a Deployment in three namespaces hold 1, 2 and 4 GPUs, and let go of them, in time."""
    kubectl = site.node.plane.kubectl
    site.run_pod("alpha", "bare", 1)
    job = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod_spec(2)}},
    }  # fmt: skip
    kubectl("apply", "-n", "beta", "-f", "-", text=json.dumps(job))
    site.deploy("gamma", "serve", 4)
    wait("all is held", lambda: sorted(site.counts().values()) == [1, 2, 4], seconds=60)
    seen = time.time()
    wait("three pods run", lambda: len(site.pods("Running")) == 3, seconds=SOON_SECONDS)
    latest = max(moment(pod, "running", "startedAt") for pod in site.pods())
    figures["last container's start to all held, s"] = seen - latest
    assert seen - latest < SOON_SECONDS
    held = site.held()
    assert sorted(each for devices in held.values() for each in devices) == sorted(_given(site)), "each once"
    asked = ("workload_namespace", "workload_kind", "workload_name", "tenant_id")
    infos = [each.labels for each in site.page() if each.name == holder_metrics.HOLDER_INFO.name]
    assert {each["pod_uid"] for each in infos} >= {pod["metadata"]["uid"] for pod in site.pods()}
    assert {each["container"] for each in infos} == {"main"}
    workloads = {tuple(labels[name] for name in asked) for labels in infos}
    assert {
        ("alpha", "Pod", "bare", "t-alpha"),
        ("beta", "Job", "train", "t-beta"),
        ("gamma", "Deployment", "serve", "t-gamma"),
    } <= workloads
    kubectl("delete", "-n", "alpha", "pod", "bare", "--wait=true")
    kubectl("delete", "-n", "beta", "job", "train", "--wait=true")
    kubectl("delete", "-n", "gamma", "deployment", "serve", "--wait=true")
    wait("the pods are gone", lambda: not site.pods())
    figures["pods gone to devices free, s"] = wait(
        "nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts())
    )


def test_a_pod_that_has_finished_holds_nothing(site: Site) -> None:
    """Its claim is in the kubelet's list for as long as the pod is not deleted; the API server says that it is over."""
    site.run_pod("alpha", "short", 2, command="sleep 9")
    wait("it runs", lambda: site.counts() == {"alpha/short/main": 2}, seconds=60, told=lambda: str(site.counts()))
    phase = ("get", "-n", "alpha", "pod", "short", "-o", "jsonpath={.status.phase}")
    wait("it has finished", lambda: site.node.plane.kubectl(*phase) == "Succeeded", seconds=60)
    wait("it holds nothing", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))
    site.node.plane.kubectl("delete", "-n", "alpha", "pod", "short")


def test_an_init_containers_devices_are_its_pods_or_in_doubt(site: Site) -> None:
    """
    The kubelet lists a pod's devices under its main container from the start, and no more than that one asks for.

    So as many are the pod's while its init container runs; where that asks for more, any free GPU may be its.
    """
    for name, asked, while_it_runs in (
        ("as-many", 1, {"alpha/as-many/main": 1}),
        ("more", 3, {"alpha/more/main": 1, "alpha/more/warm-up": GPUS - 1}),
    ):
        site.run_pod("alpha", name, 1, initContainers=[a_container("warm-up", asked, "sleep 12")])
        wait(
            "it is known so",
            lambda found=while_it_runs: site.counts() == found,
            seconds=60,
            told=lambda: str(site.counts()),
        )
        wait("main runs", lambda: len(site.pods("Running")) == 1, seconds=60)
        only = {f"alpha/{name}/main": 1}
        wait(
            "one is held",
            lambda found=only: site.counts() == found,
            seconds=SOON_SECONDS,
            told=lambda: str(site.counts()),
        )
        site.node.plane.kubectl("delete", "-n", "alpha", "pod", name, "--wait=true")
        wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))


def test_what_its_token_may_and_may_not(site: Site) -> None:
    """All that the collector asks is allowed to its own token, and nothing else is, be it in its own namespace."""
    may = Access(site.node.plane, "collector", site.collector_token()).may
    assert all(may(verb, "pods") for verb in ("get", "list", "watch"))
    assert may("get", "namespaces")
    refused = [
        *((verb, "pods") for verb in ("create", "update", "patch", "delete", "deletecollection")),
        *((verb, "namespaces") for verb in ("list", "watch", "create", "update", "patch", "delete")),
        *((verb, what) for what in ("secrets", "configmaps", "nodes") for verb in ("get", "list", "watch", "create")),
        ("get", "nodes/proxy"), ("create", "nodes/proxy"), ("get", "pods/log"), ("create", "pods/exec"),
        ("create", "pods/attach"), ("create", "pods/portforward"), ("create", "serviceaccounts/token"),
        ("impersonate", "users"), ("escalate", "clusterroles"), ("bind", "clusterroles"),
        ("get", "nodes/metrics"), ("create", "tokenreviews"), ("list", "events"),
        ("patch", "daemonsets"),
    ]  # fmt: skip
    assert len(refused) >= 30
    assert [what for what in refused for namespace in ("", NAMESPACE) if may(*what, namespace)] == []


def test_pods_on_one_gpu_share_it(site: Site) -> None:
    """A device plugin that comes back with replicas of one GPU: two pods hold it, and its time is ambiguous."""
    (shared, *_) = site.uuids()
    site.start_plugin(f"{shared}::0", f"{shared}::1")
    wait("the node offers replicas", lambda: site.offered() == 2)
    for name in ("one", "two"):
        site.run_pod("alpha", name, 1)
    both = {f"alpha/{name}/main": [shared] for name in ("one", "two")}
    wait("both hold it", lambda: site.held() == both, seconds=60, told=lambda: str(site.held()))
    wait("it is ambiguous", lambda: site.total(gpu_metrics.GPU_SECONDS, state="ambiguous", reason="shared") > 0)
    site.node.plane.kubectl("delete", "-n", "alpha", "pod", "one", "two", "--wait=true")
    site.start_plugin(*site.uuids()[1:], f"{shared} unhealthy")
    wait("the node offers the healthy ones", lambda: site.offered() == GPUS - 1)
    site.start_plugin(*site.uuids())
    wait("the node offers them all", lambda: site.offered() == GPUS)
    wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))
    assert site.balance() == (0, 0)


def test_a_tenant_cannot_say_whose_a_namespace_is(site: Site) -> None:
    """With the policy of k8s/policies who may make namespaces may not label them, and whoever may label may."""
    kubectl = site.node.plane.kubectl
    kubectl("apply", "-f", str(ROOT / "k8s" / "policies" / "tenant-label.yaml"))
    kubectl("create", "clusterrole", "namespaces", "--verb=create,get,update,patch", "--resource=namespaces")
    kubectl("create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", "--user=tenant")

    def made(name: str, *of: str, label: bool = True) -> str:
        labels = {"flopwatch.io/tenant-id": "t-other"} if label else {}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            return kubectl(*of, "create", "--dry-run=server", "-f", "-", text=json.dumps(space))
        except NotStarted as error:
            return str(error)

    wait("the policy is in force", lambda: "ValidatingAdmissionPolicy" in made("x", "--as=tenant"))
    assert made("x", "--as=tenant", label=False) == "namespace/x created (server dry run)\n"
    assert made("x") == "namespace/x created (server dry run)\n"


def test_a_service_is_reached_from_a_pod(site: Site) -> None:
    """By its own address, which kube-proxy makes: the API server's."""
    site.run_pod("gamma", "caller", 0)
    wait("it runs", lambda: len(site.pods("Running")) == 1)
    call = ("/bin/nc", "-w", "5", SERVICE_ADDRESS, "443", "-e", "/bin/true")
    site.node.plane.kubectl("exec", "-n", "gamma", "caller", "--", *call)
    site.node.plane.kubectl("delete", "-n", "gamma", "pod", "caller", "--wait=true")


def _given(site: Site) -> list[str]:
    """The devices that the kubelet gave, by what their containers say."""
    found: list[str] = []
    for pod in site.pods():
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        says = site.node.plane.kubectl(
            "exec", "-n", namespace, name, "--", "/bin/sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES"
        )
        found += says.strip().split(",")
    return found
