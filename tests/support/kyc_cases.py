"""
Cases about know-your-customer answers, in a form that a lawyer can read, write and check.

A file of cases is YAML: ``cases``, a list. Each case has ``because``, a sentence; ``known``, what is known, one short
line for each statement; ``at``, the day whose law is applied; and what is expected, under the names of the test's own.
A line is ``subject predicate value``, then a share in percent where the predicate has one (``60``, or ``40-60``), then
what else is to be said as ``source=register as_of=2026-01-01``. Words are parted as a shell does it, so a value with
spaces stands in quotes. A bare ``yes`` or ``no``, which YAML takes for true or false, is read as the word.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import policy.kyc
from policy.facts.countries import normalise_country
from policy.kyc.statements import Statement
from policy.kyc.view import View
from policy.kyc.vocabulary import DISPERSED, PREDICATES, SELF, Confidence, Predicate, ValueKind
from policy.rules.strict_yaml import read_yaml

FOLDER = Path(policy.kyc.__file__).parent / "cases"
DAYS = {"begins", "ends", "as_of", "known_from", "known_to"}
SAID_BESIDE = {*DAYS, "source", "document", "confidence", "detail"}
REGISTER = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case; ``expected`` has whatever the test of the file looks at."""

    because: str
    at: date
    known: tuple[str, ...]
    expected: Mapping[str, object]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is known, line by line."""
        return tuple(map(said, self.known))

    @property
    def view(self) -> View:
        """All of it, to be asked."""
        return View(self.statements)


def read_cases(name: str) -> tuple[Case, ...]:
    """Read the cases of one file in the package, as ``headquarters.yaml``."""
    content = read_yaml((FOLDER / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict), f"{name} is no mapping"
    assert set(content) == {"cases"}, f"{name} has other keys than cases"
    return tuple(map(_case, content["cases"]))


def _case(written: dict[str, object]) -> Case:
    because, known, at = written.pop("because"), written.pop("known"), written.pop("at")
    assert isinstance(because, str)
    assert isinstance(known, list), f"known is a list of lines: {because}"
    assert isinstance(at, date), f"at is a day: {because}"
    expected = {key: _word(value) for key, value in written.items()}
    return Case(because=because, at=at, known=tuple(map(str, known)), expected=expected)


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def view_of(*lines: str) -> View:
    """What these lines say, to be asked."""
    return View(map(said, lines))


def said(line: str) -> Statement:
    """
    The statement in one line. What cannot be said fails: a word outside the vocabulary, a share where none belongs.

    Unless the line has its own, ``source`` is a register.
    """
    subject, predicate, value, *rest = shlex.split(line)
    rule = PREDICATES[predicate]
    assert _can_be(rule, value), f"{predicate} cannot be {value!r}: {line}"
    shares = [word for word in rest if "=" not in word]
    assert len(shares) <= (1 if rule.shared else 0), f"not understood: {line}"
    beside = dict(word.split("=", 1) for word in rest if "=" in word)
    assert set(beside) <= SAID_BESIDE, f"only {sorted(SAID_BESIDE)} can be said beside: {line}"
    assert beside.get("confidence", "stated") in set(Confidence), f"no such confidence: {line}"
    more = {key: date.fromisoformat(each) if key in DAYS else each for key, each in beside.items()}
    known: dict[str, Any] = {"source": REGISTER, **_share(shares), **more}
    return Statement(subject=subject, predicate=predicate, value=value, **known)


def _share(shares: Sequence[str]) -> dict[str, float]:
    if not shares:
        return {}
    low, _, high = shares[0].partition("-")
    return {"share_low_percent": float(low), "share_high_percent": float(high or low)}


def _can_be(rule: Predicate, value: str) -> bool:
    match rule.kind:
        case ValueKind.PARTY:
            return (value != SELF or rule.may_be_self) and (value != DISPERSED or rule.shared)
        case ValueKind.COUNTRY:
            return normalise_country(value) == value
        case ValueKind.DAY:
            return date.fromisoformat(value).isoformat() == value
        case ValueKind.WORD:
            return not rule.words or value in rule.words
        case ValueKind.TEXT:
            return value == value.strip() != ""
