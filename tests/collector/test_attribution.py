from itertools import permutations

import pytest
from hypothesis import given
from support.readings import a_holder, a_reading, held_by, readings

from collector.accounting import Absent, Holder, Reading, Why, attribute
from collector.contract import GpuState

A, B = a_holder("pod-0"), a_holder("pod-1")


@pytest.mark.parametrize(
    ("reading", "holders", "state", "reason", "named"),
    [
        (a_reading(), (), GpuState.UNALLOCATED, "", ()),
        (a_reading(), (A,), GpuState.ATTRIBUTED, "", (A,)),
        (a_reading(), (A, B), GpuState.AMBIGUOUS, Why.SHARED, (A, B)),
        (a_reading(), Absent(Why.HOLDERS_UNKNOWN), GpuState.AMBIGUOUS, Why.HOLDERS_UNKNOWN, ()),
        (Absent(Why.GPU_LOST), (), GpuState.LOST, Why.GPU_LOST, ()),
        (Absent(Why.GPU_LOST), (A,), GpuState.LOST, Why.GPU_LOST, (A,)),
        (Absent(Why.DRIVER_GONE), (A, B), GpuState.LOST, Why.DRIVER_GONE, (A, B)),
        (Absent(Why.NO_PERMISSION), Absent(Why.HOLDERS_UNKNOWN), GpuState.LOST, Why.NO_PERMISSION, ()),
    ],
)
def test_every_case_has_one_state(
    reading: Reading | Absent,
    holders: tuple[Holder, ...] | Absent,
    state: GpuState,
    reason: str,
    named: tuple[Holder, ...],
) -> None:
    """What was read and who holds decide the state, its reason and who is named."""
    found = attribute(reading, holders)
    assert (found.state, found.reason, found.holders) == (state, reason, named)


@pytest.mark.parametrize("reading", [a_reading(), Absent(Why.GPU_LOST)])
def test_whoever_held_it_last_may_hold_it_still(reading: Reading | Absent) -> None:
    """While holders are unknown the last known one stays a candidate, and never the sole holder."""
    found = attribute(reading, Absent(Why.HOLDERS_UNKNOWN), last_known=(A,))
    assert found.holders == (A,)
    assert not found.is_sole
    assert attribute(reading, (B,), last_known=(A,)).holders == (B,)


@given(readings, held_by)
def test_the_order_of_holders_does_not_matter(reading: Reading | Absent, holders: list[Holder]) -> None:
    """Any order of the same holders, and any repetition of them, gives the same attribution."""
    expected = attribute(reading, holders)
    assert all(attribute(reading, order) == expected for order in permutations(holders))
    assert attribute(reading, [*holders, *holders]) == expected


def test_one_container_is_one_holder() -> None:
    """A container that is named twice, with another workload, does not share the device with itself."""
    renamed = a_holder("pod-0", workload_name="other")
    for order in ((A, renamed), (renamed, A)):
        found = attribute(a_reading(), order)
        assert found.state is GpuState.ATTRIBUTED
        assert found.holders[0].workload_name == "job"


def test_two_claims_on_one_container_are_ambiguous() -> None:
    """A container that two tenants claim is shared between the claims, not given to either."""
    claimed = a_holder("pod-0", tenant_id="t-0002")
    assert attribute(a_reading(), (A, claimed)).state is GpuState.AMBIGUOUS
