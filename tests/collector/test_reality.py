from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.readings import a_holder

from collector.attribution import Attribution
from collector.contract import GpuState
from collector.processes.reality import BUSY_RATIO, NO_MORE, Comparison, KnownPods, Mismatch, compare
from collector.processes.sharing import DeviceUse, Outside
from collector.readings import Absent, Holder, Why

A, B, C = a_holder("pod-0"), a_holder("pod-1"), a_holder("pod-2")
NOT_TOLD = Absent(Why.NOT_SUPPORTED)


def used_by(*holders: Holder, share: float | Absent = 0.5, mps: bool = False, **outside: float | Absent) -> DeviceUse:
    """A device on which these holders' pods compute, and what lies outside of pods."""
    return DeviceUse(
        pods={holder.pod_uid: share for holder in holders},
        outside={Outside(where): each for where, each in outside.items()},
        mps=mps,
    )


def compared(
    claims: dict[str, tuple[Holder, ...]],
    use: dict[str, DeviceUse | Absent],
    pods: KnownPods = NO_MORE,
    **busy_ratios: float,
) -> Comparison:
    """What comparing them comes to; devices are a little busy unless told otherwise."""
    return compare(claims, use, busy_ratios={**dict.fromkeys(use, BUSY_RATIO), **busy_ratios}, pods=pods)


def ambiguous(reason: str, *holders: Holder) -> Attribution:
    """Ambiguous, for this reason, with these candidates."""
    return Attribution(state=GpuState.AMBIGUOUS, reason=reason, holders=holders)


def test_use_as_claimed_changes_nothing() -> None:
    """Where exactly the holders compute, claims stand and nothing is counted."""
    found = compared({"gpu0": (A,), "gpu1": (B, C)}, {"gpu0": used_by(A), "gpu1": used_by(C)})
    assert found == Comparison()


def test_a_claim_without_use_is_idle_and_no_mismatch() -> None:
    """A device that is held while nothing computes on it is idle; one that nobody holds is not."""
    found = compared({"gpu0": (A,), "gpu1": (B,)}, {"gpu0": used_by(), "gpu1": used_by(B), "gpu2": used_by()})
    assert found == Comparison(idle=frozenset({"gpu0"}))


def test_a_process_that_did_nothing_contradicts_nobody() -> None:
    """A stranger with a context and a share of exactly 0 does not compute; one whose share is not told may."""
    claims = {"gpu0": (A,)}
    assert compared(claims, {"gpu0": DeviceUse(pods={A.pod_uid: 0.5}, outside={Outside.HOST: 0.0})}) == Comparison()
    found = compared(claims, {"gpu0": DeviceUse(pods={A.pod_uid: 0.5}, outside={Outside.HOST: NOT_TOLD})})
    assert found.overrides == {"gpu0": ambiguous(Mismatch.HOST_PROCESS, A)}


def test_on_an_idle_device_nobody_computes() -> None:
    """A device that reads 0 % busy settles shares that the driver has not told; MIG, which reads nothing, does not."""
    claims, use = {"gpu0": (A,)}, {"gpu0": used_by(A, share=NOT_TOLD, host=NOT_TOLD)}
    assert compared(claims, dict(use), gpu0=0.0) == Comparison(idle=frozenset({"gpu0"}))
    mig = compare(claims, use, busy_ratios={"gpu0": NOT_TOLD})
    assert mig.overrides == {"gpu0": ambiguous(Mismatch.HOST_PROCESS, A)}


KNOWN = KnownPods(others=(C,))


@pytest.mark.parametrize(
    ("use", "pods", "kind", "candidates"),
    [
        (used_by(A, B), NO_MORE, Mismatch.OTHER_DEVICE, (A, B)),
        (used_by(B), NO_MORE, Mismatch.OTHER_DEVICE, (A, B)),
        (used_by(A, C), KNOWN, Mismatch.NOT_HELD, (A, C)),
        (used_by(A, C), NO_MORE, Mismatch.UNKNOWN_POD, (A,)),
        (used_by(A, host=0.2), NO_MORE, Mismatch.HOST_PROCESS, (A,)),
        (used_by(A, unknown=0.2), NO_MORE, Mismatch.UNKNOWN_PROCESS, (A,)),
        (used_by(A, C), KnownPods(servers=frozenset({C.pod_uid})), Mismatch.MPS_SERVER, (A,)),
    ],
)
def test_use_without_a_claim_is_ambiguous(
    use: DeviceUse, pods: KnownPods, kind: Mismatch, candidates: tuple[Holder, ...]
) -> None:
    """Who computes on a device that another holds makes its time ambiguous, and is a candidate if it can be named."""
    found = compared({"gpu0": (A,), "gpu1": (B,)}, {"gpu0": use, "gpu1": used_by(B)}, pods)
    assert found.overrides == {"gpu0": ambiguous(kind, *candidates)}
    assert found.mismatches == {kind: 1}


@pytest.mark.parametrize(
    ("use", "pods", "kind", "candidates"),
    [
        (used_by(B), NO_MORE, Mismatch.OTHER_DEVICE, (B,)),
        (used_by(C), KNOWN, Mismatch.NOT_HELD, (C,)),
        (used_by(C), NO_MORE, Mismatch.UNKNOWN_POD, ()),
        (used_by(host=0.2), NO_MORE, Mismatch.HOST_PROCESS, ()),
        (used_by(unknown=0.2), NO_MORE, Mismatch.UNKNOWN_PROCESS, ()),
        (used_by(hidden=0.2), NO_MORE, Mismatch.HIDDEN_PROCESS, ()),
    ],
)
def test_use_of_a_free_device_is_not_unallocated(
    use: DeviceUse, pods: KnownPods, kind: Mismatch, candidates: tuple[Holder, ...]
) -> None:
    """A device that nobody holds and somebody computes on is ambiguous: unallocated would clear whoever it is."""
    found = compared({"gpu1": (B,)}, {"gpu0": use, "gpu1": used_by(B)}, pods)
    assert found.overrides == {"gpu0": ambiguous(kind, *candidates)}
    assert found.mismatches == {kind: 1}


def test_without_host_ids_claims_stand() -> None:
    """Without hostPID every process is hidden: that is counted, and says nothing against who holds a device."""
    found = compared({"gpu0": (A,)}, {"gpu0": used_by(hidden=0.9)}, gpu0=0.9)
    assert found.overrides == {}
    assert found.mismatches == {Mismatch.HIDDEN_PROCESS: 1}


def test_mps_clients_on_another_gpu_are_named() -> None:
    """Two pods hold GPU 1 and all work runs on GPU 0 (dcgm-exporter#568): their clients' ids name them there."""
    found = compared(
        {"gpu0": (A,), "gpu1": (B, C)},
        {"gpu0": used_by(A, B, C, mps=True, host=0.0), "gpu1": used_by()},
    )
    assert found.overrides == {"gpu0": ambiguous(Mismatch.OTHER_DEVICE, A, B, C)}
    assert found.idle == {"gpu1"}


@pytest.mark.parametrize(
    ("server", "pods"),
    [
        (used_by(host=0.8, mps=True), NO_MORE),
        (used_by(a_holder("mps"), share=0.8), KnownPods(servers=frozenset({"uid-mps"}))),
        (used_by(a_holder("mps"), share=NOT_TOLD), KnownPods(servers=frozenset({"uid-mps"}))),
    ],
    ids=["a server on the host", "a server in the operator's pod", "the same, with unknown share"],
)
def test_a_server_computes_for_whoever_idles(server: DeviceUse, pods: KnownPods) -> None:
    """Where only the server is listed, its device's holders are candidates, and all whose own device stands idle."""
    d = a_holder("pod-3")
    found = compared(
        {"gpu0": (A,), "gpu1": (B, C), "gpu2": (d,)},
        {"gpu0": server, "gpu1": used_by(), "gpu2": used_by(d)},
        pods,
    )
    assert found.overrides == {"gpu0": ambiguous(Mismatch.MPS_SERVER, A, B, C)}
    assert found.mismatches == {Mismatch.MPS_SERVER: 1}
    assert found.idle == {"gpu1"}


def test_a_container_of_the_holding_pod_is_no_stranger() -> None:
    """Claims are compared by pod: an init container, or a second one, computes by its pod's claim."""
    init = a_holder("pod-0", container="init")
    assert compared({"gpu0": (init,)}, {"gpu0": used_by(A)}) == Comparison()


def test_devices_of_init_containers_count_for_the_pod_while_they_run() -> None:
    """A device that the kubelet lists for nobody, and one pod's init container computes on, may be that pod's."""
    use: dict[str, DeviceUse | Absent] = {"gpu0": used_by(C)}
    found = compared({}, use, KnownPods(others=(C,), initialising=frozenset({C.pod_uid})))
    assert found == Comparison(overrides={"gpu0": ambiguous(Why.INIT, C)})
    later = compared({}, use, KnownPods(others=(C,)))
    assert later.overrides == {"gpu0": ambiguous(Mismatch.NOT_HELD, C)}


def test_an_init_container_takes_nobodys_device() -> None:
    """On a device that another pod holds too, or beside other users, an init container is one of several."""
    starting = KnownPods(others=(B, C), initialising=frozenset({B.pod_uid, C.pod_uid}))
    assert compared({"gpu0": (A, C)}, {"gpu0": used_by(C)}, starting) == Comparison()
    held = compared({"gpu0": (A,)}, {"gpu0": used_by(A, C)}, starting)
    assert held.overrides == {"gpu0": ambiguous(Mismatch.NOT_HELD, A, C)}
    two = compared({}, {"gpu0": used_by(B, C)}, starting)
    assert two.overrides == {"gpu0": ambiguous(Why.INIT, B, C)}
    beside = compared({}, {"gpu0": used_by(C, host=0.1)}, starting)
    assert beside.overrides == {"gpu0": ambiguous(Mismatch.HOST_PROCESS, C)}


def test_a_device_that_an_init_container_may_hold_stays_ambiguous() -> None:
    """Who is said to hold it in doubt, for its pod's init container runs, is no stranger there; another pod is one."""
    starting = replace(C, doubt=Absent(Why.INIT))
    pods = KnownPods(others=(B,), initialising=frozenset({C.pod_uid}))
    assert compared({"gpu0": (starting,)}, {"gpu0": used_by(C)}, pods) == Comparison()
    found = compared({"gpu0": (starting,)}, {"gpu0": used_by(B, C)}, pods)
    assert found.overrides == {"gpu0": ambiguous(Mismatch.NOT_HELD, B, starting)}


def test_a_busy_device_without_process_is_counted() -> None:
    """The device's own word checks the list (HAMi#403, #445): a held one keeps its claim, a free one is ambiguous."""
    claims, use = {"gpu0": (A,)}, {"gpu0": used_by(), "gpu1": used_by(A, share=0.0)}
    found = compared(claims, dict(use), gpu0=0.9, gpu1=0.9)
    assert found.mismatches == {Mismatch.NO_PROCESS: 2}
    assert found.overrides == {"gpu1": ambiguous(Mismatch.NO_PROCESS)}
    assert compared(claims, dict(use), gpu0=BUSY_RATIO, gpu1=0.0).mismatches == {}


def test_a_device_whose_processes_are_not_known_is_unchecked() -> None:
    """A list that could not be had overrides nothing, and the device is named as not checked, with the reason."""
    found = compared({"gpu0": (A,)}, {"gpu0": Absent(Why.NO_PERMISSION)}, gpu0=1.0)
    assert found == Comparison(unchecked={"gpu0": Absent(Why.NO_PERMISSION)})


def test_unknown_holders_leave_everything_unchecked() -> None:
    """Without claims there is nothing to compare with."""
    unknown = Absent(Why.HOLDERS_UNKNOWN)
    found = compare(unknown, {"gpu0": used_by(A)}, busy_ratios={"gpu0": 1.0})
    assert found == Comparison(unchecked={"gpu0": unknown})


def test_the_worst_kind_is_the_reason_and_every_kind_is_counted() -> None:
    """A device with several mismatches has one reason, all candidates, and one count of each kind."""
    found = compared({"gpu0": (A,), "gpu1": (B,)}, {"gpu0": used_by(B, host=0.1, unknown=0.1), "gpu1": used_by(B)})
    assert found.overrides == {"gpu0": ambiguous(Mismatch.OTHER_DEVICE, A, B)}
    assert found.mismatches == {Mismatch.OTHER_DEVICE: 1, Mismatch.HOST_PROCESS: 1, Mismatch.UNKNOWN_PROCESS: 1}


devices = st.sampled_from(["gpu0", "gpu1", "gpu2"])
some_holders = st.lists(st.sampled_from([A, B, C]), max_size=3, unique=True)
claims_of = st.dictionaries(devices, some_holders.map(tuple))
shares = st.sampled_from([0.0, 0.3, NOT_TOLD])
uses = st.dictionaries(
    devices,
    st.builds(
        DeviceUse,
        pods=st.dictionaries(st.sampled_from([A.pod_uid, B.pod_uid, C.pod_uid, "uid-stranger"]), shares),
        outside=st.dictionaries(st.sampled_from(Outside), shares),
        mps=st.booleans(),
    ),
)
node_pods = st.builds(
    KnownPods,
    others=some_holders.map(tuple),
    initialising=st.frozensets(st.sampled_from([A.pod_uid, C.pod_uid])),
    servers=st.frozensets(st.sampled_from([C.pod_uid, "uid-stranger"])),
)


@given(claims_of, uses, node_pods)
def test_no_order_matters(
    claims: dict[str, tuple[Holder, ...]], use: dict[str, DeviceUse | Absent], pods: KnownPods
) -> None:
    """Shuffled holders, devices and users give the same answer."""
    expected = compared(claims, use, pods)
    turned: dict[str, DeviceUse | Absent] = {}
    for uuid, each in reversed(use.items()):
        assert isinstance(each, DeviceUse)
        turned[uuid] = DeviceUse(
            pods=dict(reversed(each.pods.items())), outside=dict(reversed(each.outside.items())), mps=each.mps
        )
    for order in permutations(range(3)):
        shuffled = {
            uuid: tuple(holders[place] for place in order if place < len(holders))
            for uuid, holders in reversed(claims.items())
        }
        assert compared(shuffled, turned, pods) == expected


@given(claims_of, uses, node_pods)
def test_nobody_is_cleared(
    claims: dict[str, tuple[Holder, ...]], use: dict[str, DeviceUse | Absent], pods: KnownPods
) -> None:
    """Every holder of an overridden device stays a candidate, and a pod that computes is one if it can be named."""
    found = compared(claims, use, pods)
    named = {holder.pod_uid: holder for each in (*claims.values(), pods.others) for holder in each}
    for uuid, override in found.overrides.items():
        each = use[uuid]
        assert isinstance(each, DeviceUse)
        candidates = {holder.pod_uid for holder in override.holders}
        computing = {uid for uid, share in each.pods.items() if isinstance(share, Absent) or share > 0}
        assert candidates >= {holder.pod_uid for holder in claims.get(uuid, ())}
        assert candidates >= {uid for uid in computing if uid in named and uid not in pods.servers}
        assert override.state is GpuState.AMBIGUOUS
