"""
Where a party is headquartered, by what is said of its head office, its principal place of business and its management.

The export rules do not define "headquartered". So three things are evidence, each by itself: where the headquarters is
said to be, where the principal place of business is, and from where the party is managed. Where they agree about the
countries that the rules name, that is the answer; where they do not, whether two sources differ or a head office here
and a management there, nobody knows, and both are shown. How good a source is does not decide: a person does.

Where a party is registered, where it has addresses and who owns it decide nothing. Neither does anything about a
natural person: of a sole proprietor the business is asked about. A branch is where its head office is. That a source
calls a branch itself headquartered in scope contradicts a head office elsewhere, and then nobody knows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policy.facts.evidence import Answer
from policy.facts.jurisdictions import Scope
from policy.kyc.headquarters.asking import (
    Asked,
    Told,
    contradiction,
    disagreement,
    distinct,
    lines,
    together,
    unknown,
)
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import OF_SEAT, PartyKind

HEADQUARTERS = "headquarters_country"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOffices:
    """
    Whose branch a party is in the end: itself, where it is nobody's.

    ``untold``: why that is not known for one of the ways; empty: it is. Two ``offices``: sources disagree.
    """

    offices: tuple[str, ...]
    passed: tuple[str, ...]
    untold: str
    statements: tuple[Statement, ...]
    conflicts: tuple[str, ...]


def head_offices_of(asked: Asked, party: str) -> HeadOffices:
    """The head offices of a branch, however many branches stand between; the party itself where it is none."""
    waiting, met, untold = [party], {party}, ""
    offices: list[str] = []
    statements: list[Statement] = []
    conflicts: list[str] = []
    for each in waiting:
        said = asked.of(each, "branch_of")
        statements += said
        conflicts += disagreement(said)
        if any(above.value in met for above in said):
            untold = f"the branches of {each} lead in a circle"
        if not said and asked.may_be(each, PartyKind.BRANCH):
            untold = f"{each} is a branch, and its head office is not known"
        elif not said:
            offices.append(each)
        above = [head for head in distinct(head.value for head in said) if head not in met]
        met.update(above)
        waiting += above
    return HeadOffices(
        offices=tuple(offices),
        passed=tuple(each for each in waiting if each not in offices),
        untold=untold,
        statements=tuple(statements),
        conflicts=tuple(conflicts),
    )


def seat_of(asked: Asked, party: str) -> Told:
    """Whether a party is headquartered in scope. The path leads from it to its head office, where it is a branch."""
    heads = head_offices_of(asked, party)
    told = [_evidence(asked, office) for office in heads.offices]
    told += [unknown(heads.untold, path=(party,))] if heads.untold else []
    if not any(each.reply.answer is Answer.YES for each in told):
        told += [_said_of_branch(asked, branch) for branch in heads.passed if _called_in_scope(asked, branch)]
    way = heads.passed if len(heads.offices) == 1 and heads.passed else (party,)
    found = together(told).behind(*way, sources=lines(heads.statements))
    words = "" if heads.offices == (party,) or not heads.offices else f"a branch of {' and '.join(heads.offices)}, "
    return Told(reply=found.behind(words=words).reply, conflicts=distinct((*heads.conflicts, *found.conflicts)))


def _evidence(asked: Asked, party: str) -> Told:
    """What the evidence of one party comes to, which is no branch."""
    said = [each for predicate in OF_SEAT for each in asked.of(party, predicate)]
    if not said:
        return _without_evidence(asked, party)
    scopes = _scopes(asked, said)
    reason = "; ".join(distinct(f"{OF_SEAT[each.predicate]} {scopes[each.value].reason}" for each in said))
    sources = (*lines(said), *_lines_of(scopes.values()))
    answer, *others = {scope.answer for scope in scopes.values()}
    if others:
        reason = f"the evidence disagrees: {reason}"
        return unknown(reason, path=(party,), sources=sources, conflicts=[contradiction(said)])
    conflicts = _within_kinds(said)
    if answer is Answer.UNKNOWN:
        return unknown(reason, path=(party,), sources=sources, conflicts=conflicts)
    return Told(reply=Reply(answer=answer, reason=reason, path=(party,), sources=sources), conflicts=conflicts)


def _within_kinds(said: Sequence[Statement]) -> tuple[str, ...]:
    """Where sources name different countries for one and the same thing, although it makes no difference to the law."""
    of_one_kind = [[each for each in said if each.predicate == predicate] for predicate in OF_SEAT]
    return tuple(line for each in of_one_kind for line in disagreement(each))


def _without_evidence(asked: Asked, party: str) -> Told:
    registered = asked.of(party, "registered_country")
    if registered:
        countries = " and ".join(distinct(each.value for each in registered))
        reason = f"registered in {countries}, which decides nothing; headquarters not known"
    elif asked.is_only(party, PartyKind.NATURAL_PERSON):
        reason = "a natural person, and where the business is headquartered is not known"
    else:
        reason = "headquarters not known"
    return unknown(reason, path=(party,), sources=lines(registered))


def _called_in_scope(asked: Asked, branch: str) -> bool:
    scopes = _scopes(asked, asked.of(branch, HEADQUARTERS))
    return any(scope.answer is not Answer.NO for scope in scopes.values())


def _said_of_branch(asked: Asked, branch: str) -> Told:
    said = asked.of(branch, HEADQUARTERS)
    reasons = "; ".join(distinct(scope.reason for scope in _scopes(asked, said).values()))
    conflict = f"{branch} is a branch, and is itself said to be headquartered in {reasons} ({'; '.join(lines(said))})"
    return unknown(
        f"the branch itself is said to be headquartered in {reasons}",
        path=(branch,),
        sources=lines(said),
        conflicts=[conflict],
    )


def _scopes(asked: Asked, said: Iterable[Statement]) -> dict[str, Scope]:
    """The answer about each country that is said."""
    return {country: asked.jurisdictions.in_scope(country, asked.at) for country in distinct(e.value for e in said)}


def _lines_of(scopes: Iterable[Scope]) -> tuple[str, ...]:
    return distinct(source.line for scope in scopes for source in scope.sources)
