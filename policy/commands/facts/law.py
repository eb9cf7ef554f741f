"""``flopwatch facts show``: ECCN 3A090 and what stands beside it, thresholds of law, tiers, flags, switches, lists."""

from collections.abc import Iterator
from datetime import date

from policy.commands.facts.devices import law_lines, law_sources
from policy.commands.sheet import Block, Grid, Sheet, cited, day_words, ids, plain
from policy.facts.eccn import Parameters
from policy.facts.evidence import Constant, Countries, Groups, LayerKind, Source
from policy.facts.facts import Facts
from policy.facts.party_lists import PartyList
from policy.facts.period import holds, those_of
from policy.facts.red_flags import LIMITS, AfterDay, RedFlag
from policy.facts.switches import Switch
from policy.facts.tiers import LIMITS as LIMITS_OF_TIERS
from policy.facts.tiers import LegalThreshold, SetByProvider, Tier
from policy.facts.wording import amount_words, criterion_words, note_two_words

STATEMENT = "bis_policy_statement_2025"
NOT_YET = "not there yet"


def show_control(facts: Facts, at: date) -> Sheet:
    """The parameters in force on that day, the versions before and after, and what is controlled in other ways."""
    control, version = facts.control, facts.control.parameters_of(at)
    related = tuple(
        (row.paragraph, ", ".join(row.items), row.source.evidence, ids(row.source)) for row in control.related
    )
    notes = those_of(control.note, at)
    blocks: list[Block] = [
        Grid(
            title=f"ECCN 3A090 on {at.isoformat()}; the first that holds names the paragraph",
            columns=("paragraph", "a device meets it with"),
            rows=tuple(_criteria(version)),
            empty="no paragraph names any device",
        ),
        f"Note 2: {note_two_words(version)}",
        Grid(
            title="Versions",
            columns=("from", "until", "paragraphs", "note", "evidence", "sources"),
            rows=tuple(_version(each, at) for each in control.parameters),
            below=("note", "sources"),
        ),
        Grid(
            title="Related items",
            columns=("paragraph", "items", "evidence", "sources"),
            rows=related,
            below=("items", "sources"),
        ),
        Grid(
            title="Notes",
            columns=("paragraph", "since", "text", "evidence", "sources"),
            rows=tuple(
                (row.paragraph, day_words(row.valid_from), row.text, row.source.evidence, ids(row.source))
                for row in notes
            ),
            below=("text", "sources"),
        ),
        "",
        *law_lines(facts, at),
    ]
    sources = [row.source for row in control.parameters] + [row.source for row in control.related]
    sources += [row.source for row in notes]
    content = {
        "parameters": plain(version),
        "versions": plain(control.parameters),
        "related": plain(control.related),
        "notes": plain(notes),
        "letters": plain(those_of(control.letter, at)),
        "presumptions": plain(those_of(control.presumption, at)),
        "review_policies": plain(those_of(control.review_policy, at)),
        "knife_edge": plain(control.knife_edge),
    }
    return Sheet(blocks=(*blocks, cited((*sources, *law_sources(facts, at)), at)), content=content)


def _criteria(version: Parameters) -> Iterator[tuple[str, str]]:
    for each in version.criteria:
        paragraph, _, bounds = criterion_words(each).partition(": ")
        yield paragraph, bounds


def _version(row: Parameters, at: date) -> tuple[str, ...]:
    paragraphs = ", ".join(each.paragraph for each in row.criteria) or "none"
    first, end = day_words(row.valid_from, "the first"), day_words(row.valid_to, "further notice")
    return (f"{first}{' *' if holds(row, at) else ''}", end, paragraphs, row.note, row.source.evidence, ids(row.source))


def show_thresholds(facts: Facts, at: date) -> Sheet:
    """The figures of law, for information, as they stood on that day."""
    rows = facts.tiers.legal.values()
    grid = Grid(
        title=f"Thresholds of law on {at.isoformat()}; for information, no rule compares with one",
        columns=("law", "amount", "state", "since", "until", "how it stands", "condition", "evidence", "sources"),
        rows=tuple(_threshold(row, at) for row in rows),
        below=("how it stands", "condition", "sources"),
    )
    content = {
        "statement": statement_line(facts, at),
        "thresholds": [{**plain(row), "on_that_day": plain(row.at(at))} for row in rows],
    }
    blocks: tuple[Block, ...] = (statement_line(facts, at), grid, cited((row.source for row in rows), at))
    return Sheet(blocks=blocks, content=content)


def statement_line(facts: Facts, at: date) -> str:
    """What stands first: that the text all this begins with has no amount."""
    row = facts.tiers.legal.get(STATEMENT)
    if row is None or row.value != "none":
        return "What these facts say of BIS's policy statement of 2025-05-13 has been changed by an overlay."
    if row.at(at) is None:
        return f"{row.law}: {NOT_YET} on {at.isoformat()}; it names no amount of compute."
    return f"{row.law} names no amount of compute: {row.condition} ({row.source.evidence})."


def _threshold(row: LegalThreshold, at: date) -> tuple[str, ...]:
    state = row.at(at)
    said = (NOT_YET, "-", day_words(min(each.valid_from for each in row.state), "-"), "-")
    if state is not None:
        words = state.state.replace("_", " ")
        said = (words, day_words(state.valid_from, "the first"), day_words(state.valid_to, "-"), state.note)
    condition = " ".join(filter(None, (f"{row.condition}.", row.note)))
    return (row.law, amount_words(row), *said, condition, row.source.evidence, ids(row.source))


def show_tiers(facts: Facts, at: date) -> Sheet:
    """The tiers in use, the provider's own among them."""
    rows = sorted(facts.tiers.by_name.values(), key=lambda tier: tier.flop)
    grid = Grid(
        title="Tiers: amounts of training compute at which the provider wants a person to look",
        columns=("tier", "FLOP", "basis", "same amount as", "note", "evidence"),
        rows=tuple(
            (tier.name, f"{tier.flop:g}", tier.basis, ", ".join(tier.compare), tier.note, _set_by(tier))
            for tier in rows
        ),
        below=("basis", "note", "same amount as"),
    )
    limits = {name: getattr(facts.tiers, name) for name in LIMITS_OF_TIERS}
    near = Grid(
        title="When efforts count as ended a little below a tier, and what is taken of a device that nobody knows",
        columns=LIMIT,
        rows=tuple(_limit(name, limit) for name, limit in limits.items()),
    )
    said = [{**plain(tier), "set_by_provider": isinstance(tier.source, SetByProvider)} for tier in rows]
    sources = [tier.source for tier in rows if isinstance(tier.source, Source)]
    cites = cited((*sources, *(limit.source for limit in limits.values())), at)
    content = {"tiers": said, "limits": plain(limits)}
    return Sheet(blocks=(statement_line(facts, at), grid, near, cites), content=content)


def _set_by(tier: Tier) -> str:
    if isinstance(tier.source, SetByProvider):
        return "the provider's"
    return "; ".join(filter(None, (tier.source.evidence, tier.source.layer.name)))


def show_red_flags(facts: Facts, at: date) -> Sheet:
    """The flags that stood on that day, as a list to go through."""
    flags = facts.red_flags.at(at)
    grid = Grid(
        title=f"Red flags on {at.isoformat()}: {len(flags)}; each a reason to ask, none a verdict",
        columns=("", "flag", "list", "what to look at", "seen from", "how", "evidence"),
        rows=tuple(("[ ]", *_flag(flag)) for flag in flags),
        empty="no flag stood on that day, as far as these facts go",
        below=("what to look at", "how"),
    )
    names = (*LIMITS, "recent_start", "headquarters_elsewhere", "sits_outside")
    limits = {name: getattr(facts.red_flags, name) for name in names}
    rows = tuple(_limit(name, limit) for name, limit in limits.items())
    told = Grid(
        title="Limits by which flags are told from the know-your-customer file",
        columns=LIMIT,
        rows=rows,
        below=("why", "sources"),
    )
    sources = [each.source for each in (*flags, *limits.values())]
    content = {"red_flags": plain(flags), "limits": plain(limits)}
    return Sheet(blocks=(grid, told, cited(sources, at)), content=content)


LIMIT = ("limit", "value", "why", "basis", "evidence", "sources")


def _limit(name: str, limit: Constant | AfterDay | Countries | Groups) -> tuple[str, ...]:
    return name, _limit_words(limit), limit.why, limit.basis, limit.source.evidence, ids(limit.source)


def _limit_words(limit: Constant | AfterDay | Countries | Groups) -> str:
    match limit:
        case Constant():
            return f"{limit.value:g} {limit.unit}"
        case AfterDay():
            return f"after {limit.after.isoformat()}"
        case Countries():
            return ", ".join(limit.countries)
        case Groups():
            return ", ".join(limit.groups)


def _flag(flag: RedFlag) -> tuple[str, ...]:
    number = "" if flag.number is None else f", {flag.number}"
    text = " ".join(filter(None, (flag.text, flag.note)))
    seen = " and ".join(flag.seen_from) or "neither"
    evidence = "; ".join(filter(None, (flag.source.evidence, flag.source.layer.name)))
    return flag.id, f"{flag.list.replace('_', ' ')}{number}", text, seen, flag.how, evidence


WHO_READS_SWITCHES = (
    "Of these the presumption about accelerators follows its own switch, and the answer about listed owners the "
    "Affiliates Rule's. No rule that ships reads the others yet: they tell what applied on a day, to people and to "
    "rules to come."
)


def show_switches(facts: Facts, at: date) -> Sheet:
    """Each switch on that day, marked where an override or a scenario sets it."""
    switches = facts.switches.switch
    grid = Grid(
        title=f"Switches on {at.isoformat()}",
        columns=("switch", "state", "since", "until", "governs", "note", "evidence", "sources"),
        rows=tuple(_switch(switch, at) for switch in switches),
        below=("governs", "note", "sources"),
    )
    rows = [{**plain(switch), "on_that_day": plain(switch.at(at))} for switch in switches]
    sources = [state.source for switch in switches if (state := switch.at(at))]
    return Sheet(blocks=(grid, WHO_READS_SWITCHES, cited(sources, at)), content={"switches": rows})


def _switch(switch: Switch, at: date) -> tuple[str, ...]:
    state, name = switch.at(at), f"{switch.title} ({switch.id})"
    if state is None:
        first = min(each.valid_from for each in switch.state)
        return name, "not known", "-", day_words(first, "-"), switch.governs, "the records begin later", "-", "-"
    since, until = day_words(state.valid_from, "the first"), day_words(state.valid_to, "-")
    layer = state.source.layer
    set_by = "" if layer.kind is LayerKind.SHIPPED else f" (set by {layer.kind} {layer.name})"
    words = f"{state.state.replace('_', ' ')}{set_by}"
    note = " ".join(filter(None, (state.note, layer.words)))
    return name, words, since, until, switch.governs, note, state.source.evidence, ids(state.source)


def show_lists(facts: Facts, at: date) -> Sheet:
    """The lists of parties, the most restrictive first, and whether what those on them own counts."""
    lists = tuple(facts.party_lists.by_code.values())
    grid = Grid(
        title="Lists of parties, the most restrictive first",
        columns=("code", "list", "owners count", "blocks", "note", "evidence", "sources"),
        rows=tuple(map(_party_list, lists)),
        empty="overlays took every list away",
        below=("note", "sources"),
    )
    switch = facts.switches.by_id.get("affiliates_rule")
    state = switch.at(at) if switch else None
    line = f"The switch affiliates_rule on {at.isoformat()}: {state.state if state else 'not known'}."
    about = {name: getattr(facts.party_lists, name) for name in ("possible_from", "not_reached", "any_use")}
    beside = Grid(
        title="What else is asked: from which score on a name may be an entry's, and of whom in which countries",
        columns=LIMIT,
        rows=tuple(_limit(name, limit) for name, limit in about.items()),
    )
    sources = [each.source for each in (*lists, *about.values())] + ([state.source] if state else [])
    content = {"lists": plain(lists), "affiliates_rule": plain(state), "beside": plain(about)}
    return Sheet(blocks=(grid, line, beside, cited(sources, at)), content=content)


def _party_list(row: PartyList) -> tuple[str, ...]:
    counted = f"{row.owners.replace('_', ' ')}, {row.added.replace('_', ' ')}" if row.owners != "never" else "never"
    evidence = "; ".join(filter(None, (row.source.evidence, row.source.layer.name)))
    note = row.note if row.consolidated == "yes" else f"Not in the Consolidated Screening List. {row.note}".rstrip()
    return row.code, row.title, counted, row.blocking, note, evidence, ids(row.source)
