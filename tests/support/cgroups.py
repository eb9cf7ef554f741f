"""
Recorded ``/proc/<pid>/cgroup`` texts, each with the runtime, the driver and the cgroup version that wrote it.

They are what real machines said, as published in the named places; long ones are cut to the lines that differ.
"""

from dataclasses import dataclass

DASHED = "2c48913c-b29f-11e7-9350-020968147796"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded text: where it was published, what wrote it, and the pod and container it stands for."""

    source: str
    wrote: str
    text: str
    pod_uid: str
    container_id: str


IN_PODS = (
    Recorded(
        source="adoptium/adoptium-support#638",
        wrote="cgroup v1, cgroupfs, burstable",
        text=(
            "12:rdma:/kubepods/burstable/podd7874f44-eee0-423c-83c9-f246075bdde1/"
            "fbaa59723cd1f05d310e6f48b5d49a9d9e9552b7fde2205d0a2e2b5f60ec21ba\n"
            "10:memory:/kubepods/burstable/podd7874f44-eee0-423c-83c9-f246075bdde1/"
            "fbaa59723cd1f05d310e6f48b5d49a9d9e9552b7fde2205d0a2e2b5f60ec21ba\n"
        ),
        pod_uid="d7874f44-eee0-423c-83c9-f246075bdde1",
        container_id="fbaa59723cd1f05d310e6f48b5d49a9d9e9552b7fde2205d0a2e2b5f60ec21ba",
    ),
    Recorded(
        source="coroot/coroot-node-agent cgroup/cgroup_test.go",
        wrote="docker, cgroup v1, cgroupfs, guaranteed",
        text=(
            "11:devices:/kubepods/poda38c12e8-255a-11e9-8cd9-0007cb0b2cc8/"
            "32c562ed81a2622b37b80cb216859820ba51bd694f60ee4cf10d07a4011266f8\n"
        ),
        pod_uid="a38c12e8-255a-11e9-8cd9-0007cb0b2cc8",
        container_id="32c562ed81a2622b37b80cb216859820ba51bd694f60ee4cf10d07a4011266f8",
    ),
    Recorded(
        source="coroot/coroot-node-agent cgroup/cgroup_test.go",
        wrote="docker, cgroup v1, cgroupfs, besteffort, with a folder of the container's own below",
        text=(
            "4:cpu:/kubepods/besteffort/pod0d08203e-255a-11e9-8cd9-0007cb0b2cc8/"
            "671a50f5d60566556912f61511d0ec9e4d5c78d53fbc4676727180438bbbbc55/kube-proxy\n"
        ),
        pod_uid="0d08203e-255a-11e9-8cd9-0007cb0b2cc8",
        container_id="671a50f5d60566556912f61511d0ec9e4d5c78d53fbc4676727180438bbbbc55",
    ),
    Recorded(
        source="coroot/coroot-node-agent cgroup/cgroup_test.go",
        wrote="docker, cgroup v1, cgroupfs, a static pod: its UID is the hash of its file",
        text=(
            "8:cpuset:/kubepods/burstable/pod9729a196c4723b60ab401eaff722982d/"
            "d166c6190614efc91956b78e96d74c3fbc96ca8e91948c36de3bc5b0e7b27d48\n"
        ),
        pod_uid="9729a196c4723b60ab401eaff722982d",
        container_id="d166c6190614efc91956b78e96d74c3fbc96ca8e91948c36de3bc5b0e7b27d48",
    ),
    Recorded(
        source="coroot/coroot-node-agent cgroup/fixtures/proc/400 and cgroup_test.go",
        wrote="docker, cgroup v2, systemd, besteffort",
        text=(
            "0::/kubepods.slice/kubepods-besteffort.slice/"
            "kubepods-besteffort-pod8712f785_1a3e_41ec_a00b_e2dcc77431cb.slice/"
            "docker-73051af271105c07e1f493b34856a77e665e3b0b4fc72f76c807dfbffeb881bd.scope\n"
        ),
        pod_uid="8712f785-1a3e-41ec-a00b-e2dcc77431cb",
        container_id="73051af271105c07e1f493b34856a77e665e3b0b4fc72f76c807dfbffeb881bd",
    ),
    Recorded(
        source="spiffe/spire workloadattestor/k8s/testdata/systemd_cgroups_pid_in_pod.txt",
        wrote="docker, cgroup v1, systemd, burstable, dashes kept in the slice's name",
        text=(
            f"11:hugetlb:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{DASHED}.slice/"
            "docker-9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961.scope\n"
        ),
        pod_uid=DASHED,
        container_id="9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961",
    ),
    Recorded(
        source="TestCGroupParentExtraction in a public repository whose name was not kept",
        wrote="docker, cgroup v1, systemd, guaranteed",
        text=(
            "3:cpu:/kubepods.slice/kubepods-podd0d034ed_5204_11e7_9710_507b9d27b5d9.slice/"
            "docker-a91b1981b6a4ae463fccd273e3f8665fd911e9abcaa1af27de773afb17ec4344.scope\n"
        ),
        pod_uid="d0d034ed-5204-11e7-9710-507b9d27b5d9",
        container_id="a91b1981b6a4ae463fccd273e3f8665fd911e9abcaa1af27de773afb17ec4344",
    ),
    Recorded(
        source="opencontainers/runc#4620",
        wrote="CRI-O, cgroup v1, systemd, burstable, one controller at the root",
        text=(
            "13:freezer:/kubepods.slice/kubepods-burstable.slice/"
            "kubepods-burstable-poda5c1f8d5_1919_434d_add7_4afaafdaef89.slice/"
            "crio-5eed917563583925ffdbd40a64efb2aaffe58638e57add8becaf460fe74f5b1c.scope\n"
            "11:files:/\n"
        ),
        pod_uid="a5c1f8d5-1919-434d-add7-4afaafdaef89",
        container_id="5eed917563583925ffdbd40a64efb2aaffe58638e57add8becaf460fe74f5b1c",
    ),
    Recorded(
        source="spiffe/spire workloadattestor/k8s/testdata/systemd_crio_cgroups_pid_in_pod.txt",
        wrote="CRI-O, cgroup v1, systemd, besteffort; the second hierarchy still names the service that started it",
        text=(
            "12:hugetlb:/kubepods.slice/kubepods-besteffort.slice/"
            "kubepods-besteffort-poda2830d0d_b0f0_4ff0_81b5_0ee4e299cf80.slice/"
            "crio-09bc3d7ade839efec32b6bec4ec79d099027a668ddba043083ec21d3c3b8f1e6.scope\n"
            "3:rdma:/\n"
            "0::/system.slice/crio.service\n"
        ),
        pod_uid="a2830d0d-b0f0-4ff0-81b5-0ee4e299cf80",
        container_id="09bc3d7ade839efec32b6bec4ec79d099027a668ddba043083ec21d3c3b8f1e6",
    ),
    Recorded(
        source="sustainable-computing-io/kepler internal/resource/container_test.go",
        wrote="CRI-O, cgroup v2, systemd, burstable",
        text=(
            "0::/kubepods.slice/kubepods-burstable.slice/"
            "kubepods-burstable-pod2c9f8a79_5391_454b_88cb_86190881cb96.slice/"
            "crio-a09343ca97901516c25036e2b954421254f8c68b384b536064e8999f0c4ed18d.scope\n"
        ),
        pod_uid="2c9f8a79-5391-454b-88cb-86190881cb96",
        container_id="a09343ca97901516c25036e2b954421254f8c68b384b536064e8999f0c4ed18d",
    ),
    Recorded(
        source="coroot/coroot-node-agent cgroup/cgroup_test.go",
        wrote="CRI-O with crun, cgroup v2, systemd, with crun's own folder below",
        text=(
            "0::/kubepods.slice/kubepods-burstable.slice/"
            "kubepods-burstable-podea19ff5d_943a_4466_a07e_a71e9e50cc62.slice/"
            "crio-21572039dd8398ff8272b031fa5422a40165145ab37f2f8794e1e7f844fe8118.scope/container\n"
        ),
        pod_uid="ea19ff5d-943a-4466-a07e-a71e9e50cc62",
        container_id="21572039dd8398ff8272b031fa5422a40165145ab37f2f8794e1e7f844fe8118",
    ),
    Recorded(
        source="open-telemetry/opentelemetry-java#4507",
        wrote="containerd, cgroup v1, systemd at the kubelet and cgroupfs at containerd, besteffort",
        text=(
            "11:perf_event:/kubepods-besteffort-pod0125ec2f_b64a_4868_8f5b_94b56cbab864.slice:cri-containerd:"
            "ee4b20e90ac7f42a10bd004d05646b13d8ab5e2c5e7cbc01abf8006bac016459\n"
            "10:blkio:/system.slice/containerd.service/"
            "kubepods-besteffort-pod0125ec2f_b64a_4868_8f5b_94b56cbab864.slice:cri-containerd:"
            "ee4b20e90ac7f42a10bd004d05646b13d8ab5e2c5e7cbc01abf8006bac016459\n"
        ),
        pod_uid="0125ec2f-b64a-4868-8f5b-94b56cbab864",
        container_id="ee4b20e90ac7f42a10bd004d05646b13d8ab5e2c5e7cbc01abf8006bac016459",
    ),
    Recorded(
        source="containerd/nri#227",
        wrote="containerd, cgroup v2, systemd, besteffort, the kubelet in a container (kind), seen from inside",
        text=(
            "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            "kubelet-kubepods-besteffort-pod1e597579_417e_482f_bf65_5fe170c3aebd.slice/"
            "cri-containerd-d7dfb4a21fe1703a8537e60d5af248af729315d187b24a538102d14874c8117d.scope\n"
        ),
        pod_uid="1e597579-417e-482f-bf65-5fe170c3aebd",
        container_id="d7dfb4a21fe1703a8537e60d5af248af729315d187b24a538102d14874c8117d",
    ),
    Recorded(
        source="sustainable-computing-io/kepler internal/resource/container_test.go",
        wrote="containerd in docker (kind), cgroup v2, systemd, besteffort, seen from the host",
        text=(
            "0::/system.slice/docker-fd9d0ea06257a9780827cbc7fd92e3812a54fca26d63e191b73610d5d48b9cbd.scope/"
            "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
            "kubelet-kubepods-besteffort-podeab5a334_93fe_48a8_b139_9e8079c1f163.slice/"
            "cri-containerd-99f3a16ea25b7724cb56a4f0c0df1113ad9474fbf5545bead97fd5c7f61c13f4.scope\n"
        ),
        pod_uid="eab5a334-93fe-48a8-b139-9e8079c1f163",
        container_id="99f3a16ea25b7724cb56a4f0c0df1113ad9474fbf5545bead97fd5c7f61c13f4",
    ),
    Recorded(
        source="spiffe/spire workloadattestor/k8s/testdata/cgroups_pid_in_kind_pod.txt",
        wrote="containerd in docker (kind), cgroup v1 with an empty second hierarchy, cgroupfs, besteffort",
        text=(
            "13:name=systemd:/docker/93529524695bb00d91c1f6dba692ea8d3550c3b94fb2463af7bc9ec82f992d26/kubepods/"
            "besteffort/poda2830d0d-b0f0-4ff0-81b5-0ee4e299cf80/"
            "09bc3d7ade839efec32b6bec4ec79d099027a668ddba043083ec21d3c3b8f1e6\n"
            "0::/docker/93529524695bb00d91c1f6dba692ea8d3550c3b94fb2463af7bc9ec82f992d26/"
            "system.slice/containerd.service\n"
        ),
        pod_uid="a2830d0d-b0f0-4ff0-81b5-0ee4e299cf80",
        container_id="09bc3d7ade839efec32b6bec4ec79d099027a668ddba043083ec21d3c3b8f1e6",
    ),
    Recorded(
        source="sustainable-computing-io/kepler internal/resource/container_test.go",
        wrote="cgroupfs, besteffort, the kubelet in a container",
        text=(
            "5:devices:/kubelet/kubepods/besteffort/podbdd4097d-6795-404e-9bd8-6a1383386198/"
            "c79788e0da15a6597263eb2b9c51d05dd1a9a1d08c53c1161dc8c45d2dac6b38\n"
        ),
        pod_uid="bdd4097d-6795-404e-9bd8-6a1383386198",
        container_id="c79788e0da15a6597263eb2b9c51d05dd1a9a1d08c53c1161dc8c45d2dac6b38",
    ),
)

# Of processes on the host or in containers without Kubernetes: source, and text.
ON_HOSTS = (
    (
        "coroot/coroot-node-agent fixtures/proc/600: a systemd service",
        "1:name=systemd:/system.slice/springboot.service\n",
    ),
    ("coroot/coroot-node-agent cgroup_test.go: the kubelet itself", "0::/runtime.slice/kubelet.service\n"),
    (
        "sustainable-computing-io/kepler testdata/procfs/3456208: docker without Kubernetes",
        "0::/system.slice/docker-b176419186d75a44628851daf7841d3374a2ec56d0b038ee3bd1e0c6d331e5b1.scope\n",
    ),
    (
        "coroot/coroot-node-agent fixtures/proc/500: the same, seen from a cgroup namespace four folders down",
        "0::/../../../../system.slice/docker-ba7b10d15d16e10e3de7a2dcd408a3d971169ae303f46cfad4c5453c6326fee2.scope",
    ),
    (
        "sustainable-computing-io/kepler container_test.go: podman without root",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/"
        "libpod-3f05ee050f82c0145f1d88c94269c39dff0f07dbf8bba20aafd54b3a75dcaecc.scope/container\n",
    ),
    ("a microVM with cgroup v1 and v2 mounted, process 1", "9:name=systemd:/\n8:pids:/\n4:memory:/\n0::/\n"),
)

BESIDE_US = "0::/../crio-09bc3d7ade839efec32b6bec4ec79d099027a668ddba043083ec21d3c3b8f1e6.scope"
"""Another container right beside the reader's cgroup namespace (spiffe/spire testdata/cgroups_pid_in_crio_pod.txt)."""
