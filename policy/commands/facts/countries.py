"""``flopwatch facts show jurisdictions``: who is in scope on a day, who is not settled, who left, and the groups."""

from collections.abc import Iterator
from datetime import date

from policy.commands.sheet import LABELLED, Block, Grid, Sheet, cited, day_words, ids, plain
from policy.facts.countries import country_name, note_on, resolve_country
from policy.facts.country_groups import Group, Membership
from policy.facts.differences import countries_named
from policy.facts.evidence import Answer, Source, weakest
from policy.facts.facts import Facts
from policy.facts.jurisdictions import D5, Jurisdictions, Scope
from policy.facts.period import those_of

COLUMNS = ("code", "country (as in the EAR)", "since", "how", "evidence", "sources")
SCOPE = "In scope means in Country Group D:5, named beside it in the rules, or treated as a country that is."


def show_jurisdictions(facts: Facts, at: date) -> Sheet:
    """Everything about that day."""
    law = facts.jurisdictions
    answers = {code: law.in_scope(code, at) for code in countries_named(law)}
    inside, watched = [[code for code, scope in answers.items() if scope.answer is answer] for answer in _BOTH]
    left = [row for row in law.membership if row.group == D5 and row.valid_to <= at]
    blocks: list[Block] = [
        _scope_grid(law, at, inside, answers),
        _watch_grid(law, at, watched, answers),
        _left_grid(left),
        _groups_grid(law, at),
        *_treated_lines(law, at),
        SCOPE,
    ]
    sources = [
        *(source for code in (*inside, *watched) for source in answers[code].sources),
        *(row.source for row in left),
        *(group.source for group in law.group),
    ]
    content = {
        "in_scope": [_country(law, code, answers[code], at) for code in inside],
        "unknown": [_country(law, code, answers[code], at) for code in watched],
        "left": [{**plain(row), "name": country_name(row.country)} for row in left],
        "groups": [_group(law, group, at) for group in law.group],
        "treated_as": plain(those_of(law.treated_as, at)),
    }
    return Sheet(blocks=(*blocks, cited(sources, at)), content=content)


_BOTH = (Answer.YES, Answer.UNKNOWN)


def _scope_grid(law: Jurisdictions, at: date, codes: list[str], answers: dict[str, Scope]) -> Grid:
    return Grid(
        title=f"In scope on {at.isoformat()}: {len(codes)}",
        columns=COLUMNS,
        rows=tuple(_row(law, code, answers[code], at) for code in codes),
        empty="nobody is known to be",
    )


def _row(law: Jurisdictions, code: str, scope: Scope, at: date) -> tuple[str, ...]:
    how = scope.reason.removeprefix(f"{code}: ")
    return code, country_name(code), _since(law, code, at), how, _evidence(*scope.sources), ids(*scope.sources)


def _since(law: Jurisdictions, code: str, at: date) -> str:
    """From when on the answer is what it is, by both lists where they differ."""
    beginning = f"before {law.groups[D5].begins.isoformat()}"
    if code in law.groups[D5].members:
        return beginning
    beside = next((row for row in those_of(law.beside, at) if row.country == code), None)
    if beside is not None:
        return day_words(beside.valid_from, "before the records")
    member = next((row for row in those_of(law.membership, at) if (row.group, row.country) == (D5, code)), None)
    return "-" if member is None else _joined(member, beginning)


def _joined(row: Membership, otherwise: str = "before the records") -> str:
    """The day of joining, by both lists where they differ, or ``otherwise`` where the row names none."""
    return row.both_days("from") if day_words(row.valid_from) else otherwise


def _watch_grid(law: Jurisdictions, at: date, codes: list[str], answers: dict[str, Scope]) -> Grid:
    if codes and at < law.groups[D5].begins:
        empty = f"of all others nothing is known: the records begin on {law.groups[D5].begins.isoformat()}"
        return Grid(title=f"Unknown on {at.isoformat()}", columns=COLUMNS, rows=(), empty=empty)
    rows = tuple(_row(law, code, answers[code], at) for code in codes)
    title = f"Unknown on {at.isoformat()}, which clears nobody: {len(codes)}"
    return Grid(title=title, columns=(*COLUMNS[:3], "why", *COLUMNS[4:]), rows=rows, below=("why", "sources"))


def _left_grid(left: list[Membership]) -> Grid:
    rows = tuple(
        (row.country, country_name(row.country), _joined(row), row.both_days("to"), row.note, *_ending(row.source))
        for row in left
    )
    columns = ("code", "country", "joined", "left", "note", "evidence", "sources")
    return Grid(title=f"Left {D5} before or on that day", columns=columns, rows=rows, below=("note", "sources"))


def _groups_grid(law: Jurisdictions, at: date) -> Grid:
    rows = tuple((group.id, group.title, _members_words(law, group, at), *_ending(group.source)) for group in law.group)
    return Grid(title="Groups", columns=("group", "title", "members", "evidence", "sources"), rows=rows)


def _members_words(law: Jurisdictions, group: Group, at: date) -> str:
    if at < group.begins:
        return f"not known before {group.begins.isoformat()}"
    codes = sorted(law.members(at, group.id))
    return f"{len(codes)}: {' '.join(codes)}"


def _treated_lines(law: Jurisdictions, at: date) -> Iterator[str]:
    for row in those_of(law.treated_as, at):
        yield (
            f"{row.country} ({country_name(row.country)}) is treated as {row.counts_as} in every group since "
            f"{day_words(row.valid_from, 'before the records')}."
        )


def _ending(source: Source) -> tuple[str, str]:
    return source.evidence, ids(source)


def _evidence(*sources: Source) -> str:
    """How well an answer is known that rests on all of them."""
    return weakest(*(source.evidence for source in sources))


def _country(law: Jurisdictions, code: str, scope: Scope, at: date) -> dict[str, object]:
    since = None if scope.answer is Answer.NO else _since(law, code, at)
    return {
        "code": code,
        "name": country_name(code),
        "in_scope": scope.answer,
        "since": since,
        "reason": scope.reason,
        "sources": [plain(source) for source in scope.sources],
    }


def _group(law: Jurisdictions, group: Group, at: date) -> dict[str, object]:
    members = sorted(law.members(at, group.id)) if at >= group.begins else None
    return {"id": group.id, "title": group.title, "members": members, "source": plain(group.source)}


def show_country(facts: Facts, at: date, text: str) -> Sheet:
    """The whole answer for one country by any of its names. Raises CountryError where the text names none, or two."""
    law, code = facts.jurisdictions, resolve_country(text)
    scope = law.in_scope(code, at)
    groups = {group: law.in_group(code, group, at) for group in law.groups}
    note = note_on(code)
    rows = [
        ("country", f"{country_name(code)} ({code})" + (f", asked for as {text!r}" if text != code else "")),
        ("in scope", scope.answer),
        ("because", scope.reason),
        ("evidence", _evidence(*scope.sources)),
        *(("beside it", said) for said in _notes_about(law, code, at)),
        *((("note", note),) if note else ()),
    ]
    memberships = tuple(
        (group, law.groups[group].title, found.answer, found.reason, _evidence(*found.sources), ids(*found.sources))
        for group, found in groups.items()
    )
    sources = (*scope.sources, *(source for found in groups.values() for source in found.sources))
    blocks: tuple[Block, ...] = (
        Grid(title=f"{country_name(code)} on {at.isoformat()}", columns=LABELLED, rows=tuple(rows)),
        Grid(
            title="Groups",
            columns=("group", "title", "member", "because", "evidence", "sources"),
            rows=memberships,
            below=("because", "sources"),
        ),
        SCOPE,
        cited(sources, at),
    )
    content = {
        "asked": text,
        **_country(law, code, scope, at),
        "note": note or None,
        "groups": {group: {"member": found.answer, "reason": found.reason} for group, found in groups.items()},
    }
    return Sheet(blocks=blocks, content=content)


def _notes_about(law: Jurisdictions, code: str, at: date) -> Iterator[str]:
    """What the rows of D:5 about the country say beside their days, also of a time that is over."""
    yield from (row.note for row in law.membership if (row.group, row.country) == (D5, code) and row.note)
    yield from (row.note for row in those_of(law.beside, at) if row.country == code and row.note)
