from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.custody import a_device, custody_after, devices, looks

from collector.readings import DeviceIdentity
from collector.state.custody import MOST_VANISHED, VANISHED_AFTER_SECONDS, Custody, Event

DAY = VANISHED_AFTER_SECONDS
SLOT_B = "00000000:0B:00.0"
History = list[tuple[list[DeviceIdentity], float]]

STORIES: dict[str, tuple[History, dict[str, int], int]] = {
    "nothing was ever seen": ([([], 0), ([], DAY)], {}, 0),
    "it stays": ([([a_device()], 0), ([a_device()], DAY)], {"appeared": 1}, 1),
    "it is away for a while": ([([a_device()], 0), ([], DAY / 2), ([a_device()], 1)], {"appeared": 1}, 1),
    "it vanishes": ([([a_device()], 0), ([], DAY / 2), ([], DAY / 2), ([], DAY)], {"appeared": 1, "vanished": 1}, 0),
    "absences do not add up": ([([a_device()], 0), *([([], DAY / 2), ([a_device()], 1)] * 3)], {"appeared": 1}, 1),
    "it returns": (
        [([a_device()], 0), ([], DAY), ([a_device()], 1)],
        {"appeared": 1, "vanished": 1, "returned": 1},
        1,
    ),
    "another UUID under its serial number": (
        [([a_device("GPU-0", serial="1")], 0), ([a_device("GPU-1", serial="1")], 1)],
        {"appeared": 1, "uuid_changed": 1},
        1,
    ),
    "two GPUs of one board": (
        [([a_device("GPU-0", serial="1"), a_device("GPU-1", serial="1", address=SLOT_B)], 0)],
        {"appeared": 2},
        2,
    ),
    "moved": (
        [([a_device(serial="1")], 0), ([a_device(serial="1", address=SLOT_B)], 1)],
        {"appeared": 1, "address_changed": 1},
        1,
    ),
    "swapped": (
        [([a_device("GPU-0", serial="1")], 0), *([([a_device("GPU-1", serial="2")], 1)] * 2)],
        {"appeared": 2, "slot_changed": 1},
        2,
    ),
    "swapped, without serial numbers": (
        [([a_device("GPU-0")], 0), ([a_device("GPU-1")], 1)],
        {"appeared": 2},
        2,
    ),
    "its address is told no longer, and again": (
        [([a_device(serial="1")], 0), ([a_device(serial="1", address="")], 1), ([a_device(serial="1")], 1)],
        {"appeared": 1},
        1,
    ),
    "two that have no address have none in common": (
        [([a_device("GPU-0", serial="1", address="")], 0), ([a_device("GPU-1", serial="2", address="")], 1)],
        {"appeared": 2},
        2,
    ),
    "two that change places": (
        [
            ([a_device("GPU-0", serial="1"), a_device("GPU-1", serial="2", address=SLOT_B)], 0),
            ([a_device("GPU-0", serial="1", address=SLOT_B), a_device("GPU-1", serial="2")], 1),
        ],
        {"appeared": 2, "address_changed": 2, "slot_changed": 2},
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_what_happened_is_counted(story: str) -> None:
    """Each story has exactly these events, and leaves so many devices present."""
    history, events, present = STORIES[story]
    custody = custody_after(history)
    assert dict(custody.events) == events
    assert len(custody.present()) == present


@given(looks)
def test_every_device_seen_is_present_and_none_is_there_twice(history: History) -> None:
    """After any looks: no UUID stands twice, and all of the last look are present as they were seen."""
    custody = custody_after(history)
    uuids = [entry.identity.gpu_uuid for entry in custody.entries]
    assert len(uuids) == len(set(uuids))
    last = {device.gpu_uuid: device for device in history[-1][0]} if history else {}
    assert last.items() <= {device.gpu_uuid: device for device in custody.present()}.items()


@given(history=looks, more=st.lists(devices, max_size=4), elapsed=st.floats(0, 1e6))
def test_events_never_become_fewer(history: History, more: list[DeviceIdentity], elapsed: float) -> None:
    """A further look counts on."""
    before, after = custody_after(history), custody_after([*history, (more, elapsed)])
    assert all(after.count(event) >= before.count(event) for event in Event)
    assert after.count(Event.RETURNED) <= after.count(Event.VANISHED)


@given(looks)
def test_the_books_of_custody_balance(history: History) -> None:
    """Devices present are those that appeared and returned, less those that vanished."""
    custody = custody_after(history)
    here = custody.count(Event.APPEARED) + custody.count(Event.RETURNED) - custody.count(Event.VANISHED)
    assert len(custody.present()) == here


@given(history=looks, at=st.floats(0, 2e9))
def test_a_clock_that_was_set_makes_nothing_vanish(history: History, at: float) -> None:
    """Moments are the wall clock's and absence is the monotonic clock's; first seen is never after last seen."""
    before = custody_after(history)
    after = before.look([], at_unix=at, elapsed_seconds=0.0)
    assert after == before
    seen = before.look(before.present(), at_unix=at, elapsed_seconds=1.0)
    assert all(entry.first_seen_unix <= entry.last_seen_unix for entry in seen.entries)


def test_the_moments_are_those_of_the_first_and_the_last_look() -> None:
    """A device carries its first sight over absences and a new UUID."""
    history: History = [([a_device("GPU-0", serial="1")], 10), ([], 50), ([a_device("GPU-1", serial="1")], 5)]
    (entry,) = custody_after(history).entries
    assert (entry.first_seen_unix, entry.last_seen_unix, entry.unseen_seconds) == (1e9 + 10, 1e9 + 65, 0.0)


def test_vanished_devices_are_forgotten_beyond_a_number() -> None:
    """A driver that makes up UUIDs anew does not fill the memory; what is present is always kept."""
    custody = Custody()
    for number in range(MOST_VANISHED + 50):
        here = replace(a_device("GPU-stays"), serial="s")
        custody = custody.look([here, a_device(f"GPU-{number}")], at_unix=1e9 + number, elapsed_seconds=2 * DAY)
    assert len(custody.entries) <= MOST_VANISHED + 2
    assert {"GPU-stays", f"GPU-{MOST_VANISHED + 49}"} == {device.gpu_uuid for device in custody.present()}
    assert custody.count(Event.APPEARED) == MOST_VANISHED + 51
