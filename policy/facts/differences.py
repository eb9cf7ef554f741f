"""
What the facts answer differently: on two days, or on one day with a scenario and without it.

Every question has one key and one answer in words, so that two sets of answers can be held against each other whole.
A question that only one side has, as about a flag that began in between, is answered ``not there`` by the other.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from policy.facts.countries import country_name
from policy.facts.country_groups import Membership
from policy.facts.eccn import NONE
from policy.facts.evidence import Constant, Source
from policy.facts.facts import Facts
from policy.facts.jurisdictions import D5, Jurisdictions
from policy.facts.period import BEFORE_RECORDS, STILL_VALID, days_of_change, those_of
from policy.facts.rows import rows_of
from policy.facts.tiers import SetByProvider
from policy.facts.training_signals import Kinds
from policy.facts.wording import amount_words, criterion_words, device_words, note_two_words, review_policies

NOT_THERE = "not there"

Key = tuple[str, str, str]
"""Topic, what is asked about, and what is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """Facts, and the day of which they are asked."""

    facts: Facts
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One question, two answers. ``sources`` and ``reason`` are the later one's, the earlier's where it has none."""

    topic: str
    subject: str
    asked: str
    before: str
    after: str
    reason: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    text: str
    sources: tuple[Source, ...]
    reason: str = ""


_MISSING = _Answer(text=NOT_THERE, sources=())


def differences(before: AsOf, after: AsOf) -> tuple[Difference, ...]:
    """Everything that is answered differently, topic by topic."""
    codes = {*countries_named(before.facts.jurisdictions), *countries_named(after.facts.jurisdictions)}
    old, new = _answers(before, codes), _answers(after, codes)
    keys = [*new, *(key for key in old if key not in new)]
    topics = list(dict.fromkeys(topic for topic, _, _ in keys))
    changed = [key for key in keys if old.get(key, _MISSING).text != new.get(key, _MISSING).text]
    return tuple(
        _difference(key, old.get(key, _MISSING), new.get(key, _MISSING))
        for key in sorted(changed, key=lambda key: topics.index(key[0]))
    )


def days_between(before: AsOf, after: AsOf) -> tuple[date, ...]:
    """After the earlier day and up to the later one, those on which an answer began: it may have changed back since."""
    first, last = sorted((before.day, after.day))
    facts = after.facts
    days = {
        *facts.jurisdictions.changes_of_all,
        *(day for row in facts.jurisdictions.membership for day in (*_days_of_state(row), *_days_of_ear(row))),
        *(day for law in (facts.control, facts.switches, facts.tiers) for day in law.changes),
        *days_of_change(facts.control.note),
        *days_of_change(facts.red_flags.flag),
    }
    return tuple(sorted(day for day in days if first < day <= last))


def _difference(key: Key, old: _Answer, new: _Answer) -> Difference:
    topic, subject, asked = key
    telling = old if new is _MISSING else new
    return Difference(
        topic=topic,
        subject=subject,
        asked=asked,
        before=old.text,
        after=new.text,
        reason=telling.reason,
        sources=telling.sources or old.sources,
    )


def _answers(asked: AsOf, codes: Collection[str]) -> Mapping[Key, _Answer]:
    """``codes``: the countries that are asked about, the same on both sides."""
    facts, day = asked.facts, asked.day
    answers = dict(_jurisdictions(facts, day, codes))
    answers |= dict(
        answer
        for part in (
            _switches,
            _party_lists,
            _thresholds,
            _control,
            _accelerators,
            _makers,
            _parts,
            _red_flags,
            _tiers,
            _constants,
        )
        for answer in part(facts, day)
    )
    return answers


def countries_named(jurisdictions: Jurisdictions) -> tuple[str, ...]:
    """Codes of all countries that any row names; of every other one the answer is the same on every day."""
    standing = {code for group in jurisdictions.group for code in group.members}
    return tuple(sorted(standing | {row.country for row in (*jurisdictions.membership, *jurisdictions.beside)}))


def _jurisdictions(facts: Facts, day: date, codes: Collection[str]) -> Iterator[tuple[Key, _Answer]]:
    for code in sorted(codes):
        subject = f"{code} {country_name(code)}"
        scope = facts.jurisdictions.in_scope(code, day)
        yield (
            ("jurisdictions", subject, "in scope"),
            _Answer(text=scope.answer, sources=scope.sources, reason=scope.reason),
        )
        for group in facts.jurisdictions.groups:
            member = facts.jurisdictions.in_group(code, group, day)
            answer = _Answer(text=member.answer, sources=member.sources, reason=member.reason)
            yield ("jurisdictions", subject, f"in {group}"), answer
    yield from _clocks(facts.jurisdictions, day)


def _clocks(jurisdictions: Jurisdictions, day: date) -> Iterator[tuple[Key, _Answer]]:
    """By each of the two lists that D:5 is kept by, where its days are known: they may differ for months."""
    rows = [row for row in jurisdictions.membership if row.group == D5]
    for code in sorted({row.country for row in rows}):
        own = [row for row in rows if row.country == code]
        for whose, days in (("State's list", _days_of_state), ("the EAR's table", _days_of_ear)):
            known = [(row, *days(row)) for row in own if days(row) != (BEFORE_RECORDS, STILL_VALID)]
            if known:
                there = any(first <= day < end for _, first, end in known)
                key = ("jurisdictions", f"{code} {country_name(code)}", f"{D5} by {whose}")
                sources = tuple(row.source for row, _, _ in known)
                yield key, _Answer(text="yes" if there else "no", sources=sources, reason=known[-1][0].note)


def _days_of_state(row: Membership) -> tuple[date, date]:
    return row.state_from, row.state_to


def _days_of_ear(row: Membership) -> tuple[date, date]:
    return row.ear_from, row.ear_to


def _switches(facts: Facts, day: date) -> Iterator[tuple[Key, _Answer]]:
    for switch in facts.switches.switch:
        if state := switch.at(day):
            yield (
                ("switches", switch.id, "state"),
                _Answer(text=state.state, sources=(state.source,), reason=state.note),
            )


def _party_lists(facts: Facts, _: date) -> Iterator[tuple[Key, _Answer]]:
    for each in facts.party_lists.list:
        answers = {"owners count": each.owners, "stakes are added": each.added, "blocks property": each.blocking}
        for asked, text in answers.items():
            yield ("party_lists", each.code, asked), _Answer(text=text, sources=(each.source,), reason=each.note)
    spared, any_use = facts.party_lists.not_reached, facts.party_lists.any_use
    for name, codes, row in (("not_reached", spared.countries, spared), ("any_use", any_use.groups, any_use)):
        yield ("party_lists", name, "value"), _Answer(text=", ".join(codes), sources=(row.source,), reason=row.why)


def _thresholds(facts: Facts, day: date) -> Iterator[tuple[Key, _Answer]]:
    for each in facts.tiers.legal.values():
        if state := each.at(day):
            yield ("thresholds", each.id, "state"), _Answer(text=state.state, sources=(each.source,), reason=state.note)
            yield (
                ("thresholds", each.id, "amount"),
                _Answer(text=amount_words(each), sources=(each.source,), reason=each.condition),
            )


def _control(facts: Facts, day: date) -> Iterator[tuple[Key, _Answer]]:
    parameters = facts.control.parameters_of(day)
    bounds: dict[str, list[str]] = {}
    for criterion in parameters.criteria:
        paragraph, _, words = criterion_words(criterion).partition(": ")
        bounds.setdefault(paragraph, []).append(words)
    answers = {"paragraphs": ", ".join(bounds) or NONE, "Note 2": note_two_words(parameters)}
    for asked, text in (answers | {paragraph: " or ".join(words) for paragraph, words in bounds.items()}).items():
        answer = _Answer(text=text, sources=(parameters.source,), reason=parameters.note)
        yield ("control", "ECCN 3A090", asked), answer
    for related in facts.control.related:
        answer = _Answer(text=", ".join(related.items), sources=(related.source,), reason=related.text)
        yield ("control", related.paragraph, "related items"), answer
    for note in those_of(facts.control.note, day):
        since = "" if note.valid_from == BEFORE_RECORDS else f" since {note.valid_from.isoformat()}"
        answer = _Answer(text="stands", sources=(note.source,), reason=note.text)
        yield ("control", f"{note.paragraph}{since}", "note"), answer
    for letter in those_of(facts.control.letter, day):
        answers = {"state": "in force", "addressee": letter.addressee, "destinations": letter.destinations}
        for asked, text in answers.items():
            answer = _Answer(text=text, sources=(letter.source,), reason=letter.words)
            yield ("control", f"letter {letter.id}", asked), answer
    for presumption in those_of(facts.control.presumption, day):
        answer = _Answer(text="in force", sources=(presumption.source,), reason=presumption.title)
        yield ("control", f"presumption {presumption.id}", "state"), answer


def _accelerators(facts: Facts, day: date) -> Iterator[tuple[Key, _Answer]]:
    version = facts.control.parameters_of(day).source
    for name, device in facts.accelerators.devices.items():
        found = facts.classifier.classify(name, day)
        numbers = (device.source, version)
        answers = {
            "paragraph by its numbers": (found.by_numbers, numbers),
            "paragraph after Note 2": (found.paragraph, numbers),
            "controlled by letter": (found.letter, tuple(letter.source for letter in found.letters)),
            "presumed subject to the EAR": (found.presumed, found.sources),
        }
        for to, (policy, row) in review_policies(facts, device, day).items():
            answers[f"review to {to}"] = (policy, (row.source,))
        for asked, words in device_words(facts, device).items():
            answers[asked] = (words, (device.source,))
        for asked, (text, sources) in answers.items():
            yield ("accelerators", name, asked), _Answer(text=text, sources=sources, reason=found.reason)


def _makers(facts: Facts, _: date) -> Iterator[tuple[Key, _Answer]]:
    for vendor in facts.accelerators.vendor:
        for asked, text in (("headquarters", vendor.headquarters), ("told by", ", ".join((*vendor.words, vendor.pci)))):
            answer = _Answer(text=text, sources=(vendor.source,), reason=vendor.note)
            yield ("accelerators", f"developer {vendor.id}", asked), answer
    for family in facts.accelerators.family:
        answer = _Answer(text="known as the developer's", sources=(family.source,), reason=family.note)
        yield ("accelerators", f"developer {family.vendor}", f"parts named {', '.join(family.words)}"), answer


def _parts(facts: Facts, _: date) -> Iterator[tuple[Key, _Answer]]:
    for row in facts.parts.instance:
        for slices in row.by_slices:
            share = row.share(slices)
            text = "" if share is None else f"{share.low:.3f} to {share.high:.3f}, likely {share.likely:.3f}"
            key = ("parts", ", ".join(row.devices), f"MIG instance of {slices}")
            yield key, _Answer(text=text, sources=(row.source,), reason=row.note)


def _red_flags(facts: Facts, day: date) -> Iterator[tuple[Key, _Answer]]:
    for flag in facts.red_flags.at(day):
        yield ("red_flags", flag.id, "flag"), _Answer(text="stands", sources=(flag.source,), reason=flag.text)
    start, elsewhere = facts.red_flags.recent_start, facts.red_flags.headquarters_elsewhere
    outside = facts.red_flags.sits_outside
    for limit, name, text in (
        (start, "recent_start", start.after.isoformat()),
        (elsewhere, "headquarters_elsewhere", ", ".join(elsewhere.countries)),
        (outside, "sits_outside", ", ".join(outside.groups)),
    ):
        yield ("red_flags", name, "value"), _Answer(text=text, sources=(limit.source,), reason=limit.why)


def _tiers(facts: Facts, _: date) -> Iterator[tuple[Key, _Answer]]:
    for tier in facts.tiers.by_name.values():
        sources = () if isinstance(tier.source, SetByProvider) else (tier.source,)
        yield ("tiers", tier.name, "amount"), _Answer(text=f"{tier.flop:g} FLOP", sources=sources, reason=tier.basis)


def _constants(facts: Facts, _: date) -> Iterator[tuple[Key, _Answer]]:
    for row in rows_of(facts):
        if isinstance(row.row, Constant | Kinds):
            text = f"{row.row.value:g} {row.row.unit}" if isinstance(row.row, Constant) else ", ".join(row.row.kinds)
            yield (row.topic, row.table, "value"), _Answer(text=text, sources=(row.source,), reason=row.row.why)
