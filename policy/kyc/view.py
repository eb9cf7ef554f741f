"""
A view of statements, to be asked one by one, and the layers that it is made of and shares with other views.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property

from policy.kyc.standing import ordered, standing
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import BACKWARD, OF_LISTING, UPWARD

_Key = tuple[str, str]
"""A subject and a predicate."""


class Layer:
    """
    Statements by subject and predicate, to be found by subject and by value.

    Never changed once it is there, for many views may share it. ``by_key``: no list of it is empty.
    """

    def __init__(self, by_key: Mapping[_Key, list[Statement]]) -> None:
        self.by_key = by_key
        self._remembered: dict[tuple[str, date], Layer] = {}

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> "Layer":
        """A layer of these statements."""
        by_key: dict[_Key, list[Statement]] = {}
        for each in statements:
            by_key.setdefault((each.subject, each.predicate), []).append(each)
        return cls(by_key)

    def keys_of(self, subject: str) -> Sequence[_Key]:
        """The keys under which anything is said of a subject."""
        return self._keys_by_subject.get(subject, ())

    def subjects_of(self, predicate: str, value: str) -> Iterable[str]:
        """The subjects of which this value is said."""
        return self._subjects_by_value.get((predicate, value), ())

    def only(self, is_meant: Callable[[Statement], bool]) -> "Layer":
        """The statements that are meant; a list of which all are is the very same."""
        meant = {key: _those(said, is_meant) for key, said in self.by_key.items()}
        return Layer({key: said for key, said in meant.items() if said})

    def only_once(self, about: tuple[str, date], is_meant: Callable[[Statement], bool]) -> "Layer":
        """The same, remembered for the next one who asks ``about`` it."""
        if about not in self._remembered:
            self._remembered[about] = self.only(is_meant)
        return self._remembered[about]

    @cached_property
    def days_of_knowledge(self) -> frozenset[date]:
        """The days on which what is known changed."""
        return _days(day for each in self for day in (each.known_from, each.known_to))

    @cached_property
    def days_of_change(self) -> frozenset[date]:
        """The days on which something began or ended to be true."""
        return _days(day for each in self for day in (each.begins, each.ends))

    def __iter__(self) -> Iterator[Statement]:
        return (each for said in self.by_key.values() for each in said)

    @cached_property
    def _keys_by_subject(self) -> Mapping[str, list[_Key]]:
        found: dict[str, list[_Key]] = {}
        for key in self.by_key:
            found.setdefault(key[0], []).append(key)
        return found

    @cached_property
    def _subjects_by_value(self) -> Mapping[_Key, set[str]]:
        found: dict[_Key, set[str]] = {}
        for each in self:
            found.setdefault((each.predicate, each.value), set()).add(each.subject)
        return found


class View:
    """
    Statements about some subjects, as known on one day, to be asked one by one.

    Parts of a view share what they have in common with one another and with the view: of a thousand companies with one
    director each part would else hold a thousand, and all of them a million.
    """

    def __init__(self, statements: Iterable[Statement] = ()) -> None:
        self._layers: tuple[Layer, ...] = (Layer.of(statements),)

    @classmethod
    def _upon(cls, own: Layer, beside: Iterable[Layer]) -> "View":
        """A view of a layer of its own, with others beside, which it shares."""
        view = cls()
        view._layers = (own, *beside)
        return view

    def of(self, subject: str, predicate: str, at: date) -> tuple[Statement, ...]:
        """
        What is said of a subject on a day, the newest of each source, the best known first.

        Of a predicate with many values the newest of each source and value; where one of these is the subject itself,
        it and the others exclude each other, and the newer word of a source stands. Where two are equally new, or one
        is undated, both are there: in which order statements were read changes nothing.
        """
        holding = [each for each in self._said((subject, predicate)) if each.holds(at)]
        return tuple(holding) if len(holding) < 2 else standing(holding, predicate)

    def ever(self, subject: str, predicate: str) -> tuple[Statement, ...]:
        """All that is said of a subject, of whatever day."""
        return ordered(self._said((subject, predicate)))

    def whose(self, predicate: str, value: str, at: date) -> tuple[Statement, ...]:
        """The statements that say this value on a day, of whatever subject: who was succeeded by a party, say."""
        subjects = sorted({subject for layer in self._layers for subject in layer.subjects_of(predicate, value)})
        return tuple(each for subject in subjects for each in self.of(subject, predicate, at) if each.value == value)

    def values(self, subject: str, predicate: str, at: date) -> tuple[str, ...]:
        """The different values that are said, in the order of :meth:`of`."""
        return tuple(dict.fromkeys(each.value for each in self.of(subject, predicate, at)))

    def has(self, subject: str) -> bool:
        """Whether anything at all is said of a subject."""
        return any(layer.keys_of(subject) for layer in self._layers)

    def part(self, subject: str) -> "View":
        """What is said of one subject, of all that its answers may rest on, and of what leads back to these."""
        found: dict[_Key, list[Statement]] = {}
        wanted, met = [subject], {subject}
        for each in wanted:
            keys = dict.fromkeys(key for layer in self._layers for key in layer.keys_of(each))
            found |= {key: self._said(key) for key in keys}
            led_to = [said.value for key in keys if key[1] in UPWARD for said in found[key]]
            wanted += [value for value in dict.fromkeys(led_to) if value not in met]
            met.update(led_to)
        leading = [self._leading_to(each) for each in wanted]
        return View._upon(Layer(found), [each for each in leading if each is not None])

    def as_known(self, day: date) -> "View":
        """The same as the provider held it to be at the end of a day."""
        return self._only(("known", day), lambda each: each.is_known(day))

    def ever_known(self, day: date) -> "View":
        """The same with all that the provider held to be true on that day or on any before it."""
        return self._only(("ever", day), lambda each: each.known_from is None or each.known_from <= day)

    @cached_property
    def days_of_knowledge(self) -> tuple[date, ...]:
        """The days on which what is known changed, the oldest first."""
        return tuple(sorted({day for layer in self._layers for day in layer.days_of_knowledge}))

    @cached_property
    def days_of_change(self) -> tuple[date, ...]:
        """The days on which something began or ended to be true, the oldest first."""
        return tuple(sorted({day for layer in self._layers for day in layer.days_of_change}))

    def __iter__(self) -> Iterator[Statement]:
        return iter(dict.fromkeys(each for layer in self._layers for each in layer))

    def _said(self, key: _Key) -> list[Statement]:
        """The statements under a key, each once; of one layer its very list, which nobody changes."""
        found = [layer.by_key[key] for layer in self._layers if key in layer.by_key]
        if len(found) < 2:
            return found[0] if found else []
        return list(dict.fromkeys(each for those in found for each in those))

    def _only(self, about: tuple[str, date], is_meant: Callable[[Statement], bool]) -> "View":
        """The statements that are meant."""
        own, *beside = self._layers
        return View._upon(own.only(is_meant), [each.only_once(about, is_meant) for each in beside])

    def _leading_to(self, value: str) -> Layer | None:
        """What leads to a subject from others, and what decides if these are listed; made once for all."""
        if value not in self._led:
            leading = [
                each
                for predicate in BACKWARD
                for layer in self._layers
                for subject in layer.subjects_of(predicate, value)
                for each in self._said((subject, predicate))
                if each.value == value
            ]
            others = with_heads((each.subject for each in leading), self._heads_of)
            of_lists = [each for other in others for name in OF_LISTING for each in self._said((other, name))]
            self._led[value] = Layer.of(dict.fromkeys((*leading, *of_lists))) if leading else None
        return self._led[value]

    def _heads_of(self, party: str) -> list[str]:
        return [each.value for each in self._said((party, "branch_of"))]

    @cached_property
    def _led(self) -> dict[str, Layer | None]:
        return {}


def with_heads(parties: Iterable[str], heads_of: Callable[[str], Iterable[str]]) -> list[str]:
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


def _days(days: Iterable[date | None]) -> frozenset[date]:
    return frozenset(day for day in days if day is not None)
