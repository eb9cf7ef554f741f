"""
Who stands at the top above a party, by what is said of ultimate parents, parents and majority owners.

Who is said to be the ultimate parent is, unless something else is said to stand above that one. Where nobody says it,
the way upward is gone step by step: to whoever consolidates the party, and to whoever is known to hold more than half
of it. It ends at a party that is said to have nobody above it, at a government, and at a party that a natural person
holds by more than half, or natural persons and dispersed holders wholly: the top is a party, never a person. Anywhere
else it ends untold, and nobody knows who is at the top, however clear everything below is.

Several may be at the top: parents beside one another, or sources that disagree. All are given, and what is said step by
step is held against what is said of the ultimate parent. A parent that is no more is whoever took over from it. A
branch's way is its head office's. A way that comes back to where it was ends untold, unless somebody who stands on the
circle is said to be the ultimate parent.

A share counts as held directly, by its low end. Control other than by shares makes nobody a parent, but where it is
said, natural persons' and dispersed holdings no longer make a party its own top. Affiliates do not count.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from policy.kyc.headquarters.asking import Asked, contradiction, disagreement, distinct, lines, who_disagree
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import DISPERSED, SELF, PartyKind

MAJORITY_PERCENT = 50.0
"""More than this is a majority; just this is not, as in a joint venture of two."""
WHOLE_PERCENT = 100.0
FARTHEST = 60
"""Steps upward that are gone. A guess: no group is known to be half as high; a longer way is untold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """
    Where one way upward ends.

    ``path``: from the party asked about to the last one on the way. ``untold``: why that one is not known to be at the
    top; empty: it is. ``in_circle``: because the way came back to where it was.
    """

    path: tuple[str, ...]
    untold: str = ""
    in_circle: bool = False
    sources: tuple[str, ...] = ()

    @property
    def party(self) -> str:
        """The last one on the way."""
        return self.path[-1]

    @property
    def way_of_group(self) -> tuple[str, ...]:
        """The way; of a circle at its end the id that comes first, the same for everybody who is led to the circle."""
        if not self.in_circle:
            return self.path
        start = self.path.index(self.party)
        return (*self.path[:start], min(self.path[start:]))

    @property
    def key(self) -> tuple[str, str]:
        """What makes two ends one and the same: of several ways to it, the first is kept."""
        return self.party, self.untold

    def below(self, party: str, statement: Statement) -> "End":
        """The same way, from one step further down."""
        return replace(self, path=(party, *self.path), sources=distinct((statement.line, *self.sources)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """All ends of the ways up from a party, at least one; ``passed``: who stands between, on any way."""

    ends: tuple[End, ...]
    passed: tuple[str, ...]
    conflicts: tuple[str, ...]


def parents_of(asked: Asked, party: str) -> Above:
    """Who stands at the top above a party; itself where nobody does."""
    climb = _Climb(asked)
    ends = climb.ends(party, named=False)
    tops = {end.party for end in ends if not end.untold}
    passed = tuple(each for each in climb.met if each != party and each not in tops)
    return Above(ends=ends, passed=passed, conflicts=tuple(climb.conflicts))


class _Climb:
    """One way up, party by party. Each is gone through once; ``open``: those on the way to where it stands."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.met: dict[str, None] = {}
        self.conflicts: dict[str, None] = {}
        self.open: list[str] = []
        self.done: dict[tuple[str, bool], tuple[End, ...]] = {}

    def ends(self, party: str, *, named: bool) -> tuple[End, ...]:
        """The ends of the ways up from here. ``named``: somebody named it as the ultimate parent."""
        if party in self.open:
            return (End(path=(party,), untold=f"the way upward leads back to {party}", in_circle=True),)
        if len(self.open) == FARTHEST:
            return (End(path=(party,), untold=f"{party} is {FARTHEST} steps up, and the way is gone no further"),)
        if (party, named) not in self.done:
            self.met[party] = None
            self.open.append(party)
            self.done[party, named] = _distinct_ends(self._ends(party, named=named))
            self.open.pop()
        return self.done[party, named]

    def _ends(self, party: str, *, named: bool) -> tuple[End, ...]:
        gone = self.asked.gone(party)
        taken_over = self._taken_over(party, gone, named=named) if gone else ()
        alive = [each for each in self.asked.of(party, "dissolved_on") if each not in gone]
        if gone and not alive:
            return taken_over
        if gone:
            self._note([contradiction((*gone, *alive))])
        return (*taken_over, *self._living(party, named=named))

    def _taken_over(self, party: str, gone: Sequence[Statement], *, named: bool) -> tuple[End, ...]:
        """The ways of whoever took over from a party that is no more."""
        successors = [each for each in self.asked.of(party, "successor") if each.value != party]
        if not successors:
            untold = f"{party} is dissolved, and who took over from it is not known"
            return (End(path=(party,), untold=untold, sources=lines(gone)),)
        return self._up(party, successors, named=named)

    def _living(self, party: str, *, named: bool) -> tuple[End, ...]:
        told, stepped = self._told(party), self._stepped(party, named=named)
        if told:
            return (*told, *self._against(party, told, stepped or ()))
        if stepped is None:
            return (End(path=(party,)) if named else self._untold(party),)
        if named and not self.asked.of(party, "branch_of") and party not in _tops(stepped):
            itself = (End(path=(party,)),)
            return (*itself, *self._against(party, itself, stepped))
        return stepped

    def _untold(self, party: str) -> End:
        """The end at a party above which somebody may stand, with what is said that does not tell who."""
        controllers, owners = self._of_parties(party, "controlled_by"), self.asked.of(party, "owned_by")
        if self.asked.may_be(party, PartyKind.BRANCH):
            why = f"{party} is a branch, and its head office is not known"
        elif controllers:
            names = " and ".join(distinct(each.value for each in controllers))
            why = f"{names} controls {party} other than by shares, and whether it is a parent is not known"
        else:
            why = f"who stands above {party} is not known" + (", nor a majority owner" if owners else "")
        return End(path=(party,), untold=why, sources=lines((*controllers, *owners)))

    def _told(self, party: str) -> tuple[End, ...]:
        """The ends by what is said of its ultimate parent."""
        said = self._of_parties(party, "ultimate_parent")
        self._note(disagreement(said))
        return self._up(party, said, named=True)

    def _of_parties(self, party: str, predicate: str) -> tuple[Statement, ...]:
        """
        What is said of parties above it, or of itself.

        A natural person above is no ultimate parent, and which party below that person is one is not said with it.
        """
        return tuple(each for each in self.asked.of(party, predicate) if not self._is_person(each.value))

    def _against(self, party: str, told: Sequence[End], stepped: Sequence[End]) -> tuple[End, ...]:
        """
        The ends step by step that contradict who is said to be at the top.

        A way that ends untold contradicts that a party is its own top, unless it comes back over the party itself.
        """
        tops = _tops(told)
        against = [end for end in stepped if not end.untold and end.party not in tops]
        if party in tops:
            against += [end for end in stepped if end.untold and not (end.in_circle and end.party in self.open)]
        sources = "; ".join(distinct(line for end in told for line in end.sources)) or "said of a party below it"
        said = f"the top above {party} is said to be {' and '.join(tops) or 'one that is not known'} ({sources})"
        self._note(f"{said}, and a way upward leads to {end.party} ({'; '.join(end.sources)})" for end in against)
        return tuple(against)

    def _stepped(self, party: str, *, named: bool) -> tuple[End, ...] | None:
        """The ends by head offices, parents and majority owners; None: nobody tells of any."""
        heads = [each for each in self.asked.of(party, "branch_of") if each.value != party]
        parents, owners = self._of_parties(party, "parent"), self._majority_owners(party)
        for said in (heads, parents, owners, (*parents, *owners)):
            self._note(disagreement(said))
        ends = (*self._up(party, (*parents, *owners), named=False), *self._up(party, heads, named=named))
        return (*ends, *self._disputed(party, owners)) if ends else self._of_persons(party)

    def _up(self, party: str, said: Iterable[Statement], *, named: bool) -> tuple[End, ...]:
        """The ways over statements about who is above, one to each end; over ``self``, there is nobody."""
        found: dict[tuple[str, str], End] = {}
        for each in said:
            if each.value in (SELF, party):
                found.setdefault((party, ""), End(path=(party,), sources=(each.line,)))
                continue
            for end in self.ends(each.value, named=named):
                if end.key not in found:
                    found[end.key] = end.below(party, each)
        return tuple(found.values())

    def _majority_owners(self, party: str) -> tuple[Statement, ...]:
        """Who says that another party holds more than half."""
        held = self._of_parties(party, "owned_by")
        return tuple(each for each in held if each.value not in (DISPERSED, party) and _low(each) > MAJORITY_PERCENT)

    def _disputed(self, party: str, owners: Sequence[Statement]) -> tuple[End, ...]:
        """An end for each majority owner of whom another source says that it holds no more than half."""
        held = [each for each in self.asked.of(party, "owned_by") if each.value in {owner.value for owner in owners}]
        against = [each for each in held if _high(each) <= MAJORITY_PERCENT]
        self._note(_shares_apart([one for one in held if one.value == each.value]) for each in against)
        untold = "whether {} holds more than half of {} is not settled"
        return tuple(
            End(path=(party,), untold=untold.format(each.value, party), sources=(each.line,)) for each in against
        )

    def _of_persons(self, party: str) -> tuple[End, ...] | None:
        """The party as its own top, where it is a government or a person, or persons stand directly above it."""
        kinds = (PartyKind.NATURAL_PERSON, PartyKind.GOVERNMENT)
        if any(self.asked.is_only(party, kind) for kind in kinds):
            return (End(path=(party,), sources=lines(self.asked.of(party, "kind"))),)
        parents, owners = self.asked.of(party, "parent"), self.asked.of(party, "owned_by")
        if self._of_parties(party, "controlled_by") or not (parents or self._held_by_persons(owners)):
            return None
        return (End(path=(party,), sources=lines((*parents, *owners))),)

    def _held_by_persons(self, owners: Sequence[Statement]) -> bool:
        """Whether one natural person holds more than half, or several and dispersed holders hold the whole."""
        if owners and all(each.value == DISPERSED and each.share_low_percent is None for each in owners):
            return True
        known = [each for each in owners if each.share_low_percent is not None]
        held = [each for each in known if each.value == DISPERSED or self._is_person(each.value)]
        shares = {each.value: min(_low(one) for one in held if one.value == each.value) for each in held}
        of_persons = [share for value, share in shares.items() if value != DISPERSED]
        return max(of_persons, default=0.0) > MAJORITY_PERCENT or round(math.fsum(shares.values()), 6) >= WHOLE_PERCENT

    def _is_person(self, party: str) -> bool:
        return self.asked.is_only(party, PartyKind.NATURAL_PERSON)

    def _note(self, conflicts: Iterable[str]) -> None:
        self.conflicts.update(dict.fromkeys(conflicts))


def _shares_apart(statements: Sequence[Statement]) -> str:
    """A sentence with the shares of one owner in one party, each with its source."""
    first = statements[0]
    sides = (f"{_share(each)} % ({each.line})" for each in statements)
    return f"{who_disagree(statements)} on what {first.value} holds of {first.subject}: {' against '.join(sides)}"


def _share(statement: Statement) -> str:
    low, high = _low(statement), _high(statement)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _low(statement: Statement) -> float:
    """The share that is known to be held."""
    return statement.share_low_percent or 0.0


def _tops(ends: Iterable[End]) -> tuple[str, ...]:
    return distinct(end.party for end in ends if not end.untold)


def _high(statement: Statement) -> float:
    """The share that may be held."""
    return WHOLE_PERCENT if statement.share_high_percent is None else statement.share_high_percent


def _distinct_ends(ends: Iterable[End]) -> tuple[End, ...]:
    """One way to each end: the first."""
    found: dict[tuple[str, str], End] = {}
    for end in ends:
        found.setdefault(end.key, end)
    return tuple(found.values())
