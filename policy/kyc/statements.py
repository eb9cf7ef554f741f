"""
What is known about tenants and parties, as statements: who, what, by whom, as of when, and since when we know it.

A statement has two clocks. ``begins`` and ``ends`` are the days between which it was true; null: not known, which
counts as always, for a parent that is found on day 40 speaks about days 1 to 39 too. ``known_from`` and ``known_to``
are the days between which the provider held it to be true; null: from the beginning, and still.

Sources may contradict one another. Both statements stay, and whoever asks sees both. Within one source a newer
statement (by ``as_of``) takes the place of an older one, where the two cannot be beside each other. An undated one
is not known to be older than any, and so stays too.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from policy.frames import conform, schema
from policy.kyc.repeated import is_reference
from policy.kyc.vocabulary import BACKWARD, DISPERSED, OF_LISTING, PREDICATES, SELF, UPWARD, Confidence

STATEMENTS = schema(
    {
        "subject": pl.String,  # opaque id of a tenant or a party
        "predicate": pl.String,  # of policy.kyc.vocabulary.PREDICATES
        "value": pl.String,  # in the one way of writing of the predicate's kind
        "detail": pl.String,  # what the predicate's detail_is says; null: none
        "share_low_percent": pl.Float64,  # 0 to 100; null: not known
        "share_high_percent": pl.Float64,  # the same as the low one where it is exact; null: not known
        "begins": pl.Date,  # the first day on which it was true
        "ends": pl.Date,  # the first day on which it was true no more
        "source": pl.String,  # whose word it is, as a register or a questionnaire
        "document": pl.String,  # a reference or a hash of what was seen; null: none
        "confidence": pl.String,  # of policy.kyc.vocabulary.Confidence
        "as_of": pl.Date,  # the day for which the source says it
        "known_from": pl.Date,  # the first day on which the provider held it to be true
        "known_to": pl.Date,  # the first day on which it did so no more
    }
)

ORIGINAL = schema(
    {
        "as_subject": pl.String,  # the id of which it was said, where another one stands for that; null: the subject
        "as_value": pl.String,  # the id that was said, likewise; null: the value
    }
)
"""What a directory has beside, in which each party has one id. No source says it, and no store keeps it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One row of :data:`STATEMENTS`, with :data:`ORIGINAL`."""

    subject: str
    predicate: str
    value: str
    detail: str | None = None
    share_low_percent: float | None = None
    share_high_percent: float | None = None
    begins: date | None = None
    ends: date | None = None
    source: str = ""
    document: str | None = None
    confidence: str = "stated"
    as_of: date | None = None
    known_from: date | None = None
    known_to: date | None = None
    as_subject: str | None = None
    as_value: str | None = None

    def holds(self, at: date) -> bool:
        """Whether it was true on a day, as far as it says."""
        return (self.begins is None or self.begins <= at) and (self.ends is None or at < self.ends)

    def is_known(self, day: date) -> bool:
        """Whether the provider held it to be true at the end of a day."""
        since = self.known_from is None or self.known_from <= day
        return since and (self.known_to is None or day < self.known_to)

    @property
    def has_free_detail(self) -> bool:
        """Whether its detail is in anybody's words, which may name somebody."""
        return bool(self.detail and not PREDICATES[self.predicate].details and not is_reference(self.detail))

    @property
    def line(self) -> str:
        """Its source in one line, for a reviewer. Holds no value, and of a document a reference but no words."""
        about = [self.source, f"{self.confidence}"]
        if self.as_of:
            about.append(f"as of {self.as_of.isoformat()}")
        if self.known_from:
            about.append(f"known from {self.known_from.isoformat()}")
        if self.document:
            about.append(f"document {self.document}" if is_reference(self.document) else "a document")
        said_of, says = (f" (as {each})" if each else "" for each in (self.as_subject, self.as_value))
        return f"KYC {self.subject}{said_of} {self.predicate}{says}: {', '.join(about)}"


_Key = tuple[str, str]
"""A subject and a predicate."""


class View:
    """
    Statements about some subjects, as known on one day, to be asked one by one.

    Parts of a view share what they have in common with one another and with the view: of a thousand companies with one
    director each part would else hold a thousand, and all of them a million.
    """

    def __init__(self, statements: Iterable[Statement] = ()) -> None:
        self._by_key: dict[_Key, list[Statement]] = {}
        self._beside: tuple[View, ...] = ()
        for each in statements:
            self._by_key.setdefault((each.subject, each.predicate), []).append(each)

    def of(self, subject: str, predicate: str, at: date) -> tuple[Statement, ...]:
        """
        What is said of a subject on a day, the newest of each source, the best known first.

        Of a predicate with many values the newest of each source and value; where one of these is the subject itself,
        it and the others exclude each other, and the newer word of a source stands. Where two are equally new, or one
        is undated, both are there: in which order statements were read changes nothing.
        """
        holding = [each for each in self._said(subject, predicate) if each.holds(at)]
        if len(holding) < 2:
            return tuple(holding)
        about = PREDICATES[predicate]
        by_source: dict[tuple[str, str], list[Statement]] = {}
        for each in holding if not about.may_be_self else _not_superseded(holding):
            by_source.setdefault((each.source, each.value if about.many else ""), []).append(each)
        return _ordered(each for said in by_source.values() for each in _newest(said))

    def ever(self, subject: str, predicate: str) -> tuple[Statement, ...]:
        """All that is said of a subject, of whatever day."""
        return _ordered(self._said(subject, predicate))

    def whose(self, predicate: str, value: str, at: date) -> tuple[Statement, ...]:
        """The statements that say this value on a day, of whatever subject: who was succeeded by a party, say."""
        found = (each._subjects_by_value.get((predicate, value), ()) for each in self._layers)
        subjects = sorted({subject for those in found for subject in those})
        return tuple(each for subject in subjects for each in self.of(subject, predicate, at) if each.value == value)

    def values(self, subject: str, predicate: str, at: date) -> tuple[str, ...]:
        """The different values that are said, in the order of :meth:`of`."""
        return tuple(dict.fromkeys(each.value for each in self.of(subject, predicate, at)))

    def has(self, subject: str) -> bool:
        """Whether anything at all is said of a subject."""
        return any(subject in each._keys_by_subject for each in self._layers)

    def part(self, subject: str) -> "View":
        """What is said of one subject, of all that its answers may rest on, and of what leads back to these."""
        found: dict[_Key, list[Statement]] = {}
        wanted, met = [subject], {subject}
        for each in wanted:
            keys = dict.fromkeys(key for layer in self._layers for key in layer._keys_by_subject.get(each, ()))
            found |= {key: self._said(*key) for key in keys}
            led_to = [said.value for key in keys if key[1] in UPWARD for said in found[key]]
            wanted += [value for value in dict.fromkeys(led_to) if value not in met]
            met.update(led_to)
        leading = [self._leading_to(each) for each in wanted]
        return _view_of(found, [each for each in leading if each is not None])

    def as_known(self, day: date) -> "View":
        """The same as the provider held it to be at the end of a day."""
        return self._only(("known", day), lambda each: each.is_known(day))

    def ever_known(self, day: date) -> "View":
        """The same with all that the provider held to be true on that day or on any before it."""
        return self._only(("ever", day), lambda each: each.known_from is None or each.known_from <= day)

    @cached_property
    def days_of_knowledge(self) -> tuple[date, ...]:
        """The days on which what is known changed, the oldest first."""
        own = _days(
            day for those in self._by_key.values() for each in those for day in (each.known_from, each.known_to)
        )
        return tuple(sorted({*own, *(day for each in self._beside for day in each.days_of_knowledge)}))

    @cached_property
    def days_of_change(self) -> tuple[date, ...]:
        """The days on which something began or ended to be true, the oldest first."""
        own = _days(day for those in self._by_key.values() for each in those for day in (each.begins, each.ends))
        return tuple(sorted({*own, *(day for each in self._beside for day in each.days_of_change)}))

    def __iter__(self) -> Iterator[Statement]:
        return iter(dict.fromkeys(each for layer in self._layers for those in layer._by_key.values() for each in those))

    @property
    def _layers(self) -> "tuple[View, ...]":
        return (self, *self._beside)

    def _said(self, subject: str, predicate: str) -> list[Statement]:
        """The statements of one subject and predicate, each once; of one layer its very list, which nobody changes."""
        key = (subject, predicate)
        found = [layer._by_key[key] for layer in self._layers if key in layer._by_key]
        if len(found) < 2:
            return found[0] if found else []
        return list(dict.fromkeys(each for those in found for each in those))

    def _only(self, about: tuple[str, date], is_meant: Callable[[Statement], bool]) -> "View":
        """The statements that are meant; of what is shared remembered, for the next one who asks the same."""
        own = {key: _those(said, is_meant) for key, said in self._by_key.items()}
        beside = [each._shared_only(about, is_meant) for each in self._beside]
        return _view_of({key: said for key, said in own.items() if said}, beside)

    def _shared_only(self, about: tuple[str, date], is_meant: Callable[[Statement], bool]) -> "View":
        if about not in self._remembered:
            self._remembered[about] = self._only(about, is_meant)
        return self._remembered[about]

    def _leading_to(self, value: str) -> "View | None":
        """What leads to a subject from others, and what decides if these are listed; made once for all."""
        if value not in self._led:
            leading = [
                each
                for predicate in BACKWARD
                for layer in self._layers
                for subject in layer._subjects_by_value.get((predicate, value), ())
                for each in self._said(subject, predicate)
                if each.value == value
            ]
            others = _with_heads((each.subject for each in leading), self._heads_of)
            of_lists = [each for other in others for name in OF_LISTING for each in self._said(other, name)]
            self._led[value] = View(dict.fromkeys((*leading, *of_lists))) if leading else None
        return self._led[value]

    def _heads_of(self, party: str) -> list[str]:
        return [each.value for each in self._said(party, "branch_of")]

    @cached_property
    def _led(self) -> "dict[str, View | None]":
        return {}

    @cached_property
    def _remembered(self) -> "dict[tuple[str, date], View]":
        return {}

    @cached_property
    def _keys_by_subject(self) -> Mapping[str, list[_Key]]:
        found: dict[str, list[_Key]] = {}
        for key in self._by_key:
            found.setdefault(key[0], []).append(key)
        return found

    @cached_property
    def _subjects_by_value(self) -> Mapping[_Key, set[str]]:
        found: dict[_Key, set[str]] = {}
        for (subject, predicate), said in self._by_key.items():
            for each in said:
                found.setdefault((predicate, each.value), set()).add(subject)
        return found


def _view_of(by_key: dict[_Key, list[Statement]], beside: Iterable[View]) -> View:
    """A view of these lists as they are, with other views beside, which it shares."""
    view = View()
    view._by_key, view._beside = by_key, tuple(beside)
    return view


def _with_heads(parties: Iterable[str], heads_of: Callable[[str], Iterable[str]]) -> list[str]:
    """The parties, and those whose branches they are, directly or as a branch of a branch; each once."""
    found = dict.fromkeys(parties)
    waiting = list(found)
    for each in waiting:
        heads = [head for head in heads_of(each) if head not in found]
        found |= dict.fromkeys(heads)
        waiting += heads
    return waiting


def _those(said: list[Statement], is_meant: Callable[[Statement], bool]) -> list[Statement]:
    """The same list where all of it is meant."""
    return said if all(map(is_meant, said)) else [each for each in said if is_meant(each)]


_CONFIDENCE = list(Confidence)


def _newest(statements: Sequence[Statement]) -> list[Statement]:
    newest = max(map(_as_of, statements))
    return [each for each in statements if each.as_of is None or _as_of(each) == newest]


def _not_superseded(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Without those after which the same source said the opposite: somebody for the subject itself, or the reverse."""
    newest: dict[tuple[str, bool], date] = {}
    for each in statements:
        key = (each.source, each.value == SELF)
        newest[key] = max(newest.get(key, date.min), _as_of(each))
    for each in statements:
        if each.as_of is None or newest.get((each.source, each.value != SELF), date.min) <= _as_of(each):
            yield each


def _ordered(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Each once, the best known first, then the newest."""
    return tuple(sorted(set(statements), key=lambda each: (_rank(each), -_as_of(each).toordinal(), repr(each))))


def _rank(statement: Statement) -> int:
    known = statement.confidence in _CONFIDENCE
    return _CONFIDENCE.index(Confidence(statement.confidence)) if known else len(_CONFIDENCE)


def _as_of(statement: Statement) -> date:
    return statement.as_of or date.min


def _days(days: Iterable[date | None]) -> tuple[date, ...]:
    return tuple(sorted({day for day in days if day is not None}))


@dataclass(frozen=True, kw_only=True)
class Directory:
    """All statements, schema :data:`STATEMENTS`. ``digest``: SHA-256, in hex, of what they were read from."""

    frame: pl.DataFrame
    digest: str

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> "Directory":
        """A directory of these statements; the digest is of them, whatever their order."""
        rows = sorted(statements, key=repr)
        digest = hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()
        return cls(frame=frame_of(rows), digest=digest)

    @cached_property
    def tenants(self) -> frozenset[str]:
        """The ids of all tenants: whatever an account's predicate is said of."""
        of_accounts = [name for name, each in PREDICATES.items() if each.about == "tenant"]
        found = self.frame.filter(pl.col("predicate").is_in(of_accounts))
        return frozenset(found["subject"])

    def as_known(self, day: date) -> "Directory":
        """The statements that the provider held to be true at the end of a day."""
        since = pl.col("known_from").is_null() | (pl.col("known_from") <= day)
        until = pl.col("known_to").is_null() | (pl.col("known_to") > day)
        return Directory(frame=self.frame.filter(since & until), digest=self.digest)

    def around(self, subjects: Collection[str]) -> View:
        """What is said of some subjects, and of all that their answers may rest on."""
        upward = self.upward(subjects)
        led_to = upward.filter(pl.col("predicate").is_in(UPWARD))["value"]
        reached = pl.concat([upward["subject"], led_to, pl.Series(sorted(subjects), dtype=pl.String)]).unique()
        return View(statements_of(pl.concat([upward, self._backward(reached)])))

    def _backward(self, reached: pl.Series) -> pl.DataFrame:
        """
        The rows by which others lead to those that were reached, and what decides whether these are on lists.

        Not what leads on from them: who directs a thousand companies would bring in all that stand above each.
        """
        others = self.frame.filter(~pl.col("subject").is_in(reached.implode()))
        leading = others.filter(pl.col("predicate").is_in(BACKWARD), pl.col("value").is_in(reached.implode()))
        subjects = pl.Series(_with_heads(leading["subject"], self._heads_of), dtype=pl.String)
        of_lists = others.filter(pl.col("predicate").is_in(OF_LISTING), pl.col("subject").is_in(subjects.implode()))
        return pl.concat([leading, of_lists])

    def _heads_of(self, party: str) -> Sequence[str]:
        return self._heads.get(party, ())

    @cached_property
    def _heads(self) -> Mapping[str, list[str]]:
        """Whose branch each branch is, by any source and on any day."""
        found: dict[str, list[str]] = {}
        said = self.frame.filter(pl.col("predicate") == "branch_of").select("subject", "value")
        for subject, head in said.iter_rows():
            found.setdefault(subject, []).append(head)
        return found

    def upward(self, subjects: Collection[str]) -> pl.DataFrame:
        """The rows about the subjects and about whom these rows lead to, until none leads further."""
        parts: list[pl.DataFrame] = [self.frame.clear()]
        asked: set[str] = set()
        wanted = set(subjects)
        while wanted:
            part = self.frame.filter(pl.col("subject").is_in(sorted(wanted)))
            parts.append(part)
            asked |= wanted
            led_to = part.filter(pl.col("predicate").is_in(UPWARD))["value"].unique()
            wanted = {each for each in led_to if each not in (SELF, DISPERSED)} - asked
        return pl.concat(parts)

    @property
    def changes(self) -> Sequence[date]:
        """The days on which what is known changed, the oldest first."""
        days = pl.concat([self.frame["known_from"], self.frame["known_to"].rename("known_from")])
        return days.drop_nulls().unique().sort().to_list()


def frame_of(statements: Iterable[Statement]) -> pl.DataFrame:
    """These statements, schema :data:`STATEMENTS`."""
    rows = [tuple(getattr(each, name) for name in STATEMENTS) for each in statements]
    return conform(pl.DataFrame(rows, schema=STATEMENTS, orient="row"), STATEMENTS, "statements")


def statements_of(frame: pl.DataFrame) -> list[Statement]:
    """The rows of a frame, one by one."""
    names = [*STATEMENTS.names(), *(name for name in ORIGINAL if name in frame.columns)]
    return [Statement(*row) for row in frame.select(names).iter_rows()]


def by_subject(statements: Iterable[Statement]) -> Mapping[str, list[Statement]]:
    """The statements of each subject."""
    found: dict[str, list[Statement]] = {}
    for each in statements:
        found.setdefault(each.subject, []).append(each)
    return found
