from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.readings import SECOND, a_holder

from collector.apportion import apportion, divide_instances
from collector.attribution import Attribution
from collector.contract import GpuState
from collector.processes.sharing import Part, Shares, add_shares, divide
from collector.readings import Absent, Holder, Why

A, B, C = a_holder("pod-0"), a_holder("pod-1"), a_holder("pod-2")
A2 = a_holder("pod-0", container="second")
NOT_TOLD = Absent(Why.NOT_SUPPORTED)


def ambiguous(*holders: Holder) -> Attribution:
    """The whole interval, once, with these candidates."""
    return Attribution(state=GpuState.AMBIGUOUS, reason=Why.SHARED, holders=holders)


def parts_of(found: tuple[Part, ...] | Attribution) -> dict[Holder, tuple[int, int | Absent]]:
    """Held and busy nanoseconds by holder."""
    assert not isinstance(found, Attribution)
    return {part.holder: (part.held_ns, part.busy_ns) for part in found}


def test_busy_time_goes_to_who_used_it_and_idle_time_to_all() -> None:
    """Of a second that is 60 % busy, users get their shares of the 60 %, and everybody a third of the 40 %."""
    found = divide(3_000, 1_800, (A, B, C), {A.pod_uid: 0.4, B.pod_uid: 0.2})
    assert parts_of(found) == {A: (1_200 + 400, 1_200), B: (600 + 400, 600), C: (400, 0)}


def test_an_idle_device_is_held_alike_without_any_share() -> None:
    """Where nothing ran there is nothing to know about use: the time is divided equally."""
    assert parts_of(divide(10, 0, (A, B), NOT_TOLD)) == {A: (5, 0), B: (5, 0)}


def test_nanoseconds_that_do_not_divide_go_to_the_largest_remainder() -> None:
    """Ten nanoseconds over three pods are 4, 3 and 3, the first of equals first."""
    found = parts_of(divide(10, 0, (C, B, A), NOT_TOLD))
    assert found == {A: (4, 0), B: (3, 0), C: (3, 0)}


def test_one_pod_needs_no_shares() -> None:
    """Containers of one pod divide its device equally, whatever the processes say, also where busy time is absent."""
    assert parts_of(divide(10, 6, (A, A2), NOT_TOLD)) == {A: (5, 3), A2: (5, 3)}
    assert parts_of(divide(10, NOT_TOLD, (A, A2), NOT_TOLD)) == {A: (5, NOT_TOLD), A2: (5, NOT_TOLD)}
    assert parts_of(divide(10, 10, (A,), NOT_TOLD)) == {A: (10, 10)}


def test_a_pods_containers_divide_the_pods_part() -> None:
    """A pod with two containers gets no more than a pod with one."""
    found = parts_of(divide(16, 8, (A, A2, B), {A.pod_uid: 0.25, B.pod_uid: 0.25}))
    assert found == {A: (4, 2), A2: (4, 2), B: (8, 4)}


@pytest.mark.parametrize(
    ("busy_ns", "shares"),
    [
        (600, NOT_TOLD),
        (600, {A.pod_uid: NOT_TOLD, B.pod_uid: 0.2}),
        (600, {}),
        (600, {A.pod_uid: 0.0, B.pod_uid: 0.0}),
        (600, {A.pod_uid: 0.01}),
        (600, {A.pod_uid: 0.4, "uid-of-a-stranger": 0.2}),
        (NOT_TOLD, {A.pod_uid: 0.4}),
    ],
    ids=[
        "no shares: MIG, an old driver",
        "one pod's share not told",
        "a busy device without process (HAMi#1794: nothing until the first CUDA call)",
        "0 % for all while the device is busy (HAMi#403)",
        "shares account for a sixtieth of the busy time",
        "a pod that does not hold the device used it",
        "busy time not told",
    ],
)
def test_what_cannot_be_told_is_not_divided(busy_ns: int | Absent, shares: Shares | Absent) -> None:
    """The interval stays ambiguous as one, with every holder named, rather than be given to anybody by guess."""
    assert divide(1_000, busy_ns, (B, A), shares) == ambiguous(A, B)


def test_shares_of_more_than_the_device_only_weigh() -> None:
    """Processes that run side by side may add up to more than 1; nobody then gets more than was busy."""
    assert parts_of(divide(100, 90, (A, B), {A.pod_uid: 0.9, B.pod_uid: 0.9})) == {A: (50, 45), B: (50, 45)}


def test_two_claims_on_one_pod_are_not_divided() -> None:
    """A pod that two tenants claim is neither's, alone or beside another."""
    claimed = a_holder("pod-0", tenant_id="t-0002")
    for holders in ((A, claimed), (A, claimed, B)):
        found = divide(10, 5, holders, {A.pod_uid: 0.5})
        assert isinstance(found, Attribution)
        assert set(found.holders) == set(holders)


def test_nobody_cannot_divide() -> None:
    """A device without holders is unallocated, which is not for this function to say."""
    with pytest.raises(ValueError, match="unallocated"):
        divide(10, 5, (), NOT_TOLD)


intervals = st.integers(1, 30 * SECOND).flatmap(lambda elapsed: st.tuples(st.just(elapsed), st.integers(0, elapsed)))
holders_of = st.lists(st.sampled_from([A, A2, B, C]), min_size=1, max_size=4)
shares_of = st.dictionaries(
    st.sampled_from([A.pod_uid, B.pod_uid, C.pod_uid]), st.integers(0, 100).map(lambda percent: percent / 100)
)


@given(intervals, holders_of, shares_of)
def test_parts_add_up_to_the_interval(interval: tuple[int, int], holders: list[Holder], shares: Shares) -> None:
    """Held time adds up to the interval, busy time to the busy time, to the nanosecond; no part is busier than held."""
    elapsed_ns, busy_ns = interval
    found = divide(elapsed_ns, busy_ns, holders, shares)
    if isinstance(found, Attribution):
        assert set(found.holders) == set(holders)
        return
    busy = [part.busy_ns for part in found if isinstance(part.busy_ns, int)]
    assert sum(part.held_ns for part in found) == elapsed_ns
    assert sum(busy) == busy_ns
    assert all(0 <= each <= part.held_ns <= elapsed_ns for each, part in zip(busy, found, strict=True))
    assert {part.holder for part in found} == set(holders)


@given(intervals, holders_of, shares_of)
def test_no_order_matters(interval: tuple[int, int], holders: list[Holder], shares: dict[str, float]) -> None:
    """The last writer does not win: any order and repetition of holders and shares gives the same parts."""
    expected = divide(*interval, holders, shares)
    turned = dict(reversed(shares.items()))
    assert all(divide(*interval, order, turned) == expected for order in permutations(holders))
    assert divide(*interval, [*holders, *holders], shares) == expected


@given(intervals, shares_of, st.integers(1, 50))
def test_using_more_never_gets_less(interval: tuple[int, int], shares: dict[str, float], more: int) -> None:
    """A pod whose share grows while the others' stay gets no less, and no other gets more than a nanosecond more."""
    before = divide(*interval, (A, B, C), shares)
    after = divide(*interval, (A, B, C), {**shares, A.pod_uid: shares.get(A.pod_uid, 0.0) + more / 100})
    if isinstance(before, Attribution):
        return
    then, now = parts_of(before), parts_of(after)
    assert now[A] >= then[A]
    assert all(now[other][0] <= then[other][0] + 1 for other in (B, C))


@given(st.integers(0, 10**18), st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any))
def test_apportioning_is_exact_and_fair(total: int, weights: list[int]) -> None:
    """Everything is given, and nobody is more than one away from the exact quota."""
    given_out = apportion(total, weights)
    assert sum(given_out) == total
    whole = sum(weights)
    assert all(abs(each * whole - total * weight) < whole for each, weight in zip(given_out, weights, strict=True))


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [-1, 2]), (1, [0, 0]), (1, [])])
def test_what_cannot_be_apportioned_is_refused(total: int, weights: list[int]) -> None:
    """Negative amounts, negative weights, and something to give to nobody are errors of the caller."""
    with pytest.raises(ValueError, match="cannot give"):
        apportion(total, weights)


def test_nothing_can_be_given_to_nobody() -> None:
    """Zero over weights of zero is zero for each."""
    assert apportion(0, [0, 0]) == (0, 0)


def test_a_sum_of_shares_does_not_depend_on_order() -> None:
    """Decimal fractions that do not add up exactly add up to the same float in any order."""
    shares = [0.1, 0.2, 0.3, 0.7, 1e-9]
    assert len({add_shares(order) for order in permutations(shares)}) == 1


def test_instances_weigh_their_sms() -> None:
    """An instance with 60 of 132 SMs has 60/132 of the GPU's time, and what no instance has is unallocated."""
    found = divide_instances(132_000, {"MIG-b": 16, "MIG-a": 60}, 132)
    assert not isinstance(found, Absent)
    assert found.instance_ns == {"MIG-a": 60_000, "MIG-b": 16_000}
    assert found.unallocated_ns == 56_000


def test_a_gpu_without_instances_is_unallocated() -> None:
    """A GPU in MIG mode in which nobody has made an instance is held by nobody."""
    found = divide_instances(10, {}, 132)
    assert not isinstance(found, Absent)
    assert (found.instance_ns, found.unallocated_ns) == ({}, 10)


@pytest.mark.parametrize(("sm_counts", "parent"), [({"a": 100, "b": 60}, 132), ({"a": -1}, 132), ({}, 0)])
def test_impossible_instances_are_absent(sm_counts: dict[str, int], parent: int) -> None:
    """Instances that have more SMs than their GPU are an error of the driver, not a negative rest."""
    assert divide_instances(10, sm_counts, parent) == Absent(Why.DRIVER_ERROR)


@given(st.integers(0, 30 * SECOND), st.dictionaries(st.text(max_size=3), st.integers(0, 98), max_size=7))
def test_instances_add_up_to_their_gpu(elapsed_ns: int, sm_counts: dict[str, int]) -> None:
    """Instances and the unallocated rest add up to the interval, in any order of the instances."""
    found = divide_instances(elapsed_ns, sm_counts, 7 * 98)
    assert not isinstance(found, Absent)
    assert sum(found.instance_ns.values()) + found.unallocated_ns == elapsed_ns
    assert divide_instances(elapsed_ns, dict(reversed(sm_counts.items())), 7 * 98) == found
