"""
The dossiers of a directory: asked once for each era of a tenant and each state of knowledge, and remembered.

What is remembered is what the last question of a whole fleet needed; the rest is dropped, so that memory does not grow
with the days. After an import the answers about tenants of whom nothing changed are taken over.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from policy.facts.facts import Facts
from policy.kyc.declared import declarations, declared_on
from policy.kyc.directory import Directory
from policy.kyc.dossier import Dossier, ask
from policy.kyc.flags.raised import Demand, RaisedFlag, addresses_of_the_listed, red_flags
from policy.kyc.identity import joined
from policy.kyc.span import BEGINNING, Era, answers_over
from policy.kyc.statements import statements_of
from policy.kyc.view import View

Span = tuple[str, date, date, date]
"""A tenant, its first and last era, and what was known: the day on which that last changed."""
Flagged = tuple[str, date, Demand | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When something changed for one tenant: in the law or in what is true of it, and in what is known."""

    changes: tuple[date, ...]
    learnt: tuple[date, ...]

    def era(self, day: date) -> date:
        """The beginning of the era that a day is in."""
        return _last_up_to(self.changes, day)

    def knowledge(self, day: date | None) -> date:
        """The day on which what was known on a day had last changed; None: now."""
        return (self.learnt or (BEGINNING,))[-1] if day is None else _last_up_to(self.learnt, day)


def _last_up_to(days: tuple[date, ...], day: date) -> date:
    at = bisect_right(days, day)
    return days[at - 1] if at else BEGINNING


@dataclass(frozen=True, kw_only=True)
class Dossiers:
    """The dossiers of a directory by some facts."""

    directory: Directory
    facts: Facts
    _earlier: list["Dossiers"] = field(default_factory=list)
    _views: dict[str, View] = field(default_factory=dict)
    _times: dict[str, Times] = field(default_factory=dict)
    _known: dict[tuple[str, date, date], Dossier | None] = field(default_factory=dict)
    _flags: dict[Flagged, tuple[RaisedFlag, ...]] = field(default_factory=dict)
    _addresses: dict[tuple[date, date], frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Directory, facts: Facts, earlier: "Dossiers | None" = None) -> "Dossiers":
        """The dossiers of a directory, in which each party has one id. ``earlier``: answers that may still hold."""
        may_hold = [earlier] if earlier is not None and earlier.facts is facts else []
        return cls(directory=joined(directory), facts=facts, _earlier=may_hold)

    def look_up(self, tenant_ids: Iterable[str]) -> None:
        """Read all about these tenants that has not been read, in one go, and forget all others."""
        wanted = set(tenant_ids)
        for held in (self._views, self._times):
            for each in [each for each in held if each not in wanted]:
                del held[each]
        missing = [each for each in sorted(wanted) if each not in self._views]
        if missing:
            around = self.directory.around(missing)
            self._views.update({each: around.part(each) for each in missing})
            for earlier in self._earlier:
                self._take_over(missing, earlier)
            self._earlier.clear()

    def times(self, tenant_id: str) -> Times:
        """When something changed for a tenant."""
        if tenant_id not in self._times:
            view = self._whole(tenant_id)
            changes = tuple(sorted({*self._changes_of_law, *view.days_of_change}))
            self._times[tenant_id] = Times(changes=changes, learnt=view.days_of_knowledge)
        return self._times[tenant_id]

    def dossier(self, tenant_id: str, law_at: date, known_on: date | None = None) -> Dossier | None:
        """One tenant's answers, as known on a day or now; None where the file does not have it, or did not then."""
        times = self.times(tenant_id)
        return self._in_era(tenant_id, times.era(law_at), times.knowledge(known_on))

    def answers(self, spans: Iterable[Span]) -> dict[Span, Mapping[str, object] | None]:
        """What is answered over each span; None where the file does not have the tenant, or did not then."""
        asked = list(dict.fromkeys(spans))
        used: set[tuple[str, date, date]] = set()
        found: dict[Span, Mapping[str, object] | None] = {}
        for span in asked:
            tenant_id, _, _, knowledge = span
            eras = self._eras(span)
            used.update((tenant_id, begins, knowledge) for begins, _ in eras)
            dossiers = [(begins, ends, self._in_era(tenant_id, begins, knowledge)) for begins, ends in eras]
            whole = [Era(begins=begins, ends=ends, dossier=each) for begins, ends, each in dossiers if each is not None]
            found[span] = answers_over(whole) if whole else None
        for key in self._known.keys() - used:
            del self._known[key]
        return found

    def flags(
        self, tenant_id: str, at: date, known_on: date | None = None, demand: Demand | None = None
    ) -> tuple[RaisedFlag, ...]:
        """The red flags of a tenant that the file has: those that are raised, and those that nobody can tell."""
        view, ever = self.view(tenant_id, known_on), self._whole(tenant_id).ever_known(known_on or date.max)
        return red_flags(view, tenant_id, at, self.facts, demand, self.listed_addresses(at, known_on), before=ever)

    def flags_of(self, asked: Iterable[Flagged]) -> Mapping[Flagged, tuple[RaisedFlag, ...]]:
        """The flags of tenants that the file has, as known now: of each the day, and what it used."""
        wanted = {each for each in asked if self.is_on_file(each[0])}
        for key in self._flags.keys() - wanted:
            del self._flags[key]
        for key in sorted(wanted - self._flags.keys(), key=repr):
            tenant_id, at, demand = key
            self._flags[key] = self.flags(tenant_id, at, demand=demand)
        return self._flags

    def is_on_file(self, tenant_id: str, known_on: date | None = None) -> bool:
        """Whether the file has a tenant, or had it on a day."""
        return tenant_id in self.directory.tenants and self.view(tenant_id, known_on).has(tenant_id)

    def view(self, tenant_id: str, known_on: date | None = None) -> View:
        """What is said of a tenant and of whom its answers may rest on, as known on a day; None: now."""
        return self._whole(tenant_id).as_known(known_on or date.max)

    def _whole(self, tenant_id: str) -> View:
        """All that is said, whenever it was known."""
        if tenant_id not in self._views:
            self._views[tenant_id] = self.directory.around([tenant_id]).part(tenant_id)
        return self._views[tenant_id]

    def _in_era(self, tenant_id: str, begins: date, knowledge: date) -> Dossier | None:
        key = (tenant_id, begins, knowledge)
        if key not in self._known:
            whole = self._whole(tenant_id)
            view, before = whole.as_known(knowledge), whole.ever_known(knowledge)
            is_tenant = tenant_id in self.directory.tenants and view.has(tenant_id)
            self._known[key] = ask(view, tenant_id, self._day_in(begins), self.facts, before) if is_tenant else None
        return self._known[key]

    def _day_in(self, begins: date) -> date:
        """A day of an era: its first, or of the time before all changes of the law the last."""
        return self._changes_of_law[0] - timedelta(days=1) if begins == BEGINNING else begins

    def _eras(self, span: Span) -> list[tuple[date, date | None]]:
        """The beginnings of a span's eras, in order, each with the next change."""
        tenant_id, first, last, _ = span
        changes = self.times(tenant_id).changes
        begins = [BEGINNING, *changes]
        ends: list[date | None] = [*changes, None]
        return [(each, end) for each, end in zip(begins, ends, strict=True) if first <= each <= last]

    def _take_over(self, tenant_ids: Iterable[str], before: "Dossiers") -> None:
        """The earlier answers about tenants of whom everything that is said is what was said before."""
        same = {
            each
            for each in tenant_ids
            if each in before._views
            and frozenset(before._views[each]) == frozenset(self._views[each])
            and (each in before.directory.tenants) == (each in self.directory.tenants)
        }
        self._known.update({key: answer for key, answer in before._known.items() if key[0] in same})
        days = {at for tenant_id, at, _ in before._flags if tenant_id in same}
        alike = {at for at in days if before.listed_addresses(at) == self.listed_addresses(at)}
        kept = {key: flags for key, flags in before._flags.items() if key[0] in same and key[1] in alike}
        self._flags.update(kept)

    def listed_addresses(self, at: date, known_on: date | None = None) -> frozenset[str]:
        """The addresses, as they are compared, of all parties that somebody determined to be listed on a day."""
        view, times = self._of_listed
        key = (times.era(at), times.knowledge(known_on))
        if key not in self._addresses:
            self._addresses[key] = addresses_of_the_listed(view.as_known(key[1]), key[0])
        return self._addresses[key]

    def declared(self, tenants_and_days: pl.DataFrame) -> pl.DataFrame:
        """What tenants declare of their work on days (tenant_id, day), as known now; schema declared.DECLARED."""
        return declared_on(self._declarations, tenants_and_days)

    @cached_property
    def _declarations(self) -> pl.DataFrame:
        return declarations(self.directory.as_known(date.max).frame)

    @cached_property
    def _of_listed(self) -> tuple[View, Times]:
        """What is said of the listings and addresses of all who were ever listed, and when that changes."""
        frame = self.directory.frame
        listed = frame.filter(pl.col("predicate") == "listed_on")["subject"].unique()
        about = pl.col("predicate").is_in(["listed_on", "address"]) & pl.col("subject").is_in(listed.implode())
        view = View(statements_of(frame.filter(about)))
        return view, Times(changes=view.days_of_change, learnt=view.days_of_knowledge)

    @cached_property
    def _changes_of_law(self) -> tuple[date, ...]:
        """The days on which a list of countries, or a rule, changed."""
        return tuple(sorted({*self.facts.jurisdictions.changes_of_all, *self.facts.switches.changes}))
