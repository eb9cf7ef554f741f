"""
A survey of the devices, joined with who holds them: what is known about every device over one interval. Pure.

The time of a card that is cut into MIG instances is divided among them: each weighs its multiprocessors over those of
the card. What no instance has, because none fits or none was made, is unallocated. Where the weights are not known the
card is one, and ambiguous (mig_instance) if any of it is held.

A GPU that the driver counts and does not name may be held by whoever holds a device that nothing here is called.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from collector.accounting import DeviceInterval
from collector.apportion import InstanceTimes, divide_instances
from collector.attribution import Attribution, attribute
from collector.contract import UNKNOWN_ACCELERATOR
from collector.devices import InstanceLook, Survey
from collector.processes.port import Checked
from collector.readings import Absent, DeviceIdentity, Holder, Reading, Why
from collector.state.file import Held

INSTANCE_PREFIX = "MIG-"  # nvml.h: how the UUID of an instance begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Who holds what ``now``, and who did when that was ``last_known``."""

    now: Held
    last_known: Held

    def attribution(self, reading: Reading | Absent, uuid: str, *, in_doubt: Iterable[str] = ()) -> Attribution:
        """Of this device; who holds those in ``in_doubt`` may hold it too, or some of it."""
        last_known = _holders(self.last_known, uuid, in_doubt)
        known = () if isinstance(last_known, Absent) else last_known
        return attribute(reading, _holders(self.now, uuid, in_doubt), known)

    def of_strangers(self, survey: Survey) -> Iterator[Holder]:
        """Whoever holds devices that are none of those that are known here."""
        held = self.last_known if isinstance(self.now, Absent) else self.now
        for uuid in sorted(strangers(held, survey)):
            yield from known_holders(uuid, held)


def device_intervals(elapsed_ns: int, survey: Survey, holding: Holding) -> Iterator[DeviceInterval]:
    """
    One of every GPU that is counted, named or not; of a card that is cut, one of each instance and one of the rest.

    They are of the last ``elapsed_ns``.
    """
    cut = instances_by_card(survey.instances.values())
    for uuid, reading in survey.readings.items():
        if uuid in cut:
            yield from _of_cut_card(elapsed_ns, survey.known[uuid], reading, cut[uuid], holding)
        else:
            attribution = holding.attribution(reading, uuid)
            yield _interval(uuid, survey.known[uuid].accelerator, reading, attribution)
    candidates = tuple(holding.of_strangers(survey)) if survey.unidentified else ()
    for number, why in enumerate(survey.unidentified):
        nobody_knows = attribute(why, Absent(Why.HOLDERS_UNKNOWN), candidates)
        yield _interval(f"unidentified-{number}", UNKNOWN_ACCELERATOR, why, nobody_knows)
    for gpu in survey.unreadable:
        yield _interval(gpu.key, gpu.accelerator, gpu.why, holding.attribution(gpu.why, gpu.key))


def strangers(held: Held, survey: Survey) -> frozenset[str]:
    """What holders' devices are called that nothing here is called: a slip, or a GPU that the driver does not name."""
    if isinstance(held, Absent):
        return frozenset()
    return frozenset(held) - {*survey.known, *survey.instances, *(gpu.key for gpu in survey.unreadable)}


def instances_by_card(instances: Iterable[InstanceLook]) -> dict[str, tuple[InstanceLook, ...]]:
    """The instances of each card that is cut, by the card's UUID."""
    found: dict[str, tuple[InstanceLook, ...]] = {}
    for each in instances:
        if each.identity.mig is not None:
            card = each.identity.mig.parent_uuid
            found[card] = (*found.get(card, ()), each)
    return found


def instance_times(elapsed_ns: int, card: DeviceIdentity, instances: Iterable[InstanceLook]) -> InstanceTimes | Absent:
    """How the time of a card is divided among its instances; Absent where it cannot be told what they weigh."""
    if isinstance(card.multiprocessors, Absent):
        return card.multiprocessors
    weights = {each.identity.gpu_uuid: each.identity.mig.multiprocessors for each in instances if each.identity.mig}
    return divide_instances(elapsed_ns, weights, card.multiprocessors)


def unwatched(
    elapsed_ns: int, before: Survey, now: Survey, may_have: Held
) -> Iterator[tuple[str, tuple[Holder, ...], int]]:
    """
    Accelerator model, holder, and how much of a card's time it may have had while nobody looked.

    A device is what it is ``now`` or was ``before``, and a holder had no more of a card than all of it. Who had an
    instance whose weight is not known may have had the card; who had one of which nothing is known, any of the cards.
    """
    if isinstance(may_have, Absent):
        return
    places = _places(elapsed_ns, before) | _places(elapsed_ns, now)
    lost = _anywhere(elapsed_ns, {**before.known, **now.known}.values())
    found: Counter[tuple[Holder, _Place]] = Counter()
    for uuid, holders in may_have.items():
        place, part_ns = places.get(uuid, (lost, elapsed_ns))
        if uuid in places or uuid.startswith(INSTANCE_PREFIX):
            found.update(dict.fromkeys(((holder, place) for holder in holders), part_ns))
    for (holder, place), total_ns in found.items():
        yield place.accelerator, (holder,), min(total_ns, place.most_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a device is: a card, or any of several, of which one holder can have had so much."""

    card: str
    accelerator: str
    most_ns: int


def _places(elapsed_ns: int, survey: Survey) -> dict[str, tuple[_Place, int]]:
    """Of each device the card that it is, or is a part of, and how much of its time it makes."""
    models = {uuid: identity.accelerator for uuid, identity in survey.known.items()}
    models |= {gpu.key: gpu.accelerator for gpu in survey.unreadable}
    cards = {key: _Place(card=key, accelerator=model, most_ns=elapsed_ns) for key, model in models.items()}
    found = {key: (place, elapsed_ns) for key, place in cards.items()}
    for card, instances in instances_by_card(survey.instances.values()).items():
        times = instance_times(elapsed_ns, survey.known[card], instances)
        parts = {} if isinstance(times, Absent) else times.instance_ns
        uuids = (each.identity.gpu_uuid for each in instances)
        found |= {uuid: (cards[card], parts.get(uuid, elapsed_ns)) for uuid in uuids}
    return found


def _anywhere(elapsed_ns: int, cards: Collection[DeviceIdentity]) -> _Place:
    """Any of these cards; where they are of several models, of none that is known."""
    models = {card.accelerator for card in cards}
    model = models.pop() if len(models) == 1 else UNKNOWN_ACCELERATOR
    return _Place(card="", accelerator=model, most_ns=elapsed_ns * max(1, len(cards)))


def _of_cut_card(
    elapsed_ns: int,
    card: DeviceIdentity,
    reading: Reading | Absent,
    instances: Sequence[InstanceLook],
    holding: Holding,
) -> Iterator[DeviceInterval]:
    """Each instance by its weight, and the rest, which is nobody's; in doubt where somebody has the card as a whole."""
    times = instance_times(elapsed_ns, card, instances)
    if isinstance(times, Absent):
        everybody = (card.gpu_uuid, *(each.identity.gpu_uuid for each in instances))
        attribution = holding.attribution(reading, "", in_doubt=everybody)
        yield _interval(card.gpu_uuid, card.accelerator, reading, attribution)
        return
    for each in instances:
        uuid = each.identity.gpu_uuid
        read = reading if isinstance(reading, Absent) else each.reading
        attribution = holding.attribution(read, uuid, in_doubt=(card.gpu_uuid,))
        yield _interval(uuid, card.accelerator, read, attribution, times.instance_ns[uuid])
    if times.unallocated_ns:
        rest = holding.attribution(reading, "", in_doubt=(card.gpu_uuid,))
        yield _interval(f"{card.gpu_uuid}/rest", card.accelerator, reading, rest, times.unallocated_ns)


def _interval(
    uuid: str, accelerator: str, reading: Reading | Absent, attribution: Attribution, part_ns: int | None = None
) -> DeviceInterval:
    return DeviceInterval(
        gpu_uuid=uuid, accelerator=accelerator, reading=reading, attribution=attribution, part_ns=part_ns
    )


def holders_of(uuid: str, held: Held) -> tuple[Holder, ...] | Absent:
    """Who holds a device; nobody, or not known."""
    return held if isinstance(held, Absent) else held.get(uuid, ())


def known_holders(uuid: str, held: Held) -> tuple[Holder, ...]:
    """Who is known to hold a device."""
    holders = holders_of(uuid, held)
    return () if isinstance(holders, Absent) else holders


def _holders(held: Held, uuid: str, in_doubt: Iterable[str]) -> tuple[Holder, ...] | Absent:
    """Who holds a device, and in doubt whoever holds the others; or that nobody knows."""
    if isinstance(held, Absent):
        return held
    others = (holder for other in in_doubt for holder in held.get(other, ()))
    doubted = (replace(holder, doubt=holder.doubt or Absent(Why.MIG_INSTANCE)) for holder in others)
    return (*held.get(uuid, ()), *doubted)


def after_check(interval: DeviceInterval, elapsed_ns: int, checked: Checked | None) -> DeviceInterval:
    """The interval with who held the device after the check, if there is one."""
    if checked is None:
        return interval
    after = checked.attribution(interval.gpu_uuid, interval.reading, elapsed_ns, interval.attribution)
    return replace(interval, attribution=after)


def recalled(held: Held, last_known: Held) -> Held:
    """
    Who holds what, where a pod of which nothing but its name is known is the one of that name that was known last.

    It stays in doubt: it may have been made anew since.
    """
    if isinstance(held, Absent) or isinstance(last_known, Absent) or not any(map(_has_stranger, held.values())):
        return held
    known = {_name(each): each for holders in last_known.values() for each in holders if not _is_stranger(each)}
    return {
        uuid: tuple(
            replace(known.get(_name(each), each), doubt=each.doubt) if _is_stranger(each) else each for each in holders
        )
        for uuid, holders in held.items()
    }


def _has_stranger(holders: Iterable[Holder]) -> bool:
    return any(map(_is_stranger, holders))


def _is_stranger(holder: Holder) -> bool:
    """Whether it goes by its pod's name in place of a UID, because the API server has not told of the pod."""
    return holder.doubt == Absent(Why.POD_UNKNOWN) and holder.pod_uid == f"{holder.namespace}/{holder.pod}"


def _name(holder: Holder) -> tuple[str, str, str]:
    return holder.namespace, holder.pod, holder.container


def either(before: Held, now: Held) -> Held:
    """
    Whoever may have held a device between two moments: the holders at both.

    Who held it at one of the two only may have held it for any part of the time, so it is in doubt.
    """
    if isinstance(before, Absent) and isinstance(now, Absent):
        return now
    first, last = ({} if isinstance(each, Absent) else each for each in (before, now))
    return {uuid: tuple(_either(first.get(uuid, ()), last.get(uuid, ()))) for uuid in {**first, **last}}


def _either(before: Sequence[Holder], now: Sequence[Holder]) -> Iterator[Holder]:
    for holder in (*before, *now):
        stayed = holder in before and holder in now
        yield holder if stayed else replace(holder, doubt=holder.doubt or Absent(Why.LATE_TICK))


def came_since(before: Held, now: Held) -> Held:
    """Who holds a device and is not known to have held it before; Absent when it is not known who holds."""
    if isinstance(now, Absent):
        return now
    return {
        uuid: tuple(holder for holder in holders if holder not in known_holders(uuid, before))
        for uuid, holders in now.items()
    }
