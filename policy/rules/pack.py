"""
A rule pack: rules as YAML, with the source of each, its severity, and what it asks the reviewer.

A rule matches a run by its ``when`` and opens a finding when the measured compute reaches a tier: ``crossed`` if the
low end of the interval does, ``may_have_crossed`` if only the high end does. The tier is the provider's; the policy
statement behind the first pack names no amount.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from policy.rules.conditions import Condition, Measure
from policy.rules.finding import Severity, Strength
from policy.rules.scalars import Text
from policy.rules.strict_yaml import YamlProblem, read_yaml


class PackError(Exception):
    """A rule pack that cannot be used: which file, which rule, which field, what is wrong. None of it is in force."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reaches(_Part):
    """Which sum is held against which tier."""

    measure: Measure
    tier: Text


class Severities(_Part):
    """How soon somebody should look, by how far the numbers carry the rule."""

    crossed: Severity
    may_have_crossed: Severity
    not_evaluable: Severity

    def of(self, strength: Strength) -> Severity:
        """The severity of a finding of this strength."""
        return {
            Strength.CROSSED: self.crossed,
            Strength.MAY_HAVE_CROSSED: self.may_have_crossed,
            Strength.NOT_EVALUABLE: self.not_evaluable,
        }[strength]


class Rule(_Part):
    """One rule. ``when_unknown``: whether a run whose ``when`` is not known is a finding of its own."""

    id: Annotated[Text, Field(pattern=r"^[a-z0-9-]+$")]
    version: Annotated[StrictInt, Field(ge=1)]
    title: Text
    when: Condition
    reaches: Reaches
    severity: Severities
    when_unknown: Literal["finding", "no_finding"]
    asks: Text
    sources: Annotated[tuple[Text, ...], Field(min_length=1)]


class _Written(_Part):
    """What an author writes."""

    pack: Text
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Pack(_Written):
    """Rules in force together. ``digest`` names exactly this text; ``file`` is where it was, for errors."""

    digest: str
    file: str


def load_pack(path: Path | None = None) -> Pack:
    """The pack in a file, or the one that ships. Raises PackError; nothing is half loaded."""
    place = path or Path(str(files("policy.rules").joinpath("packs", "default.yaml")))
    try:
        return parse_pack(place.read_text(encoding="utf-8"), place.name)
    except OSError as error:
        raise PackError(f"{place}: cannot be read ({error}); give an existing file with --rules") from error
    except UnicodeDecodeError as error:
        raise PackError(f"{place}: not UTF-8; save it as UTF-8") from error


def parse_pack(text: str, name: str) -> Pack:
    """The pack in a text. Raises PackError."""
    try:
        content = read_yaml(text)
    except YamlProblem as error:
        raise PackError(f"{name}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise PackError(f"{name}: a pack is a mapping with 'pack' and 'rules'")
    try:
        written = _Written.model_validate(content)
    except ValidationError as error:
        raise PackError(f"{name}: {_problems(content, error)}") from error
    _check_ids(written, name)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Pack(pack=written.pack, rules=written.rules, digest=digest, file=name)


def _check_ids(written: _Written, name: str) -> None:
    ids = [rule.id for rule in written.rules]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise PackError(f"{name}: rule {', '.join(twice)}: id: used twice; give each rule its own")


SHOWN_PROBLEMS = 5
WORDINGS = {"missing": "missing; add it", "extra_forbidden": "not a key of this place; remove it or correct it"}
"""By pydantic's type of error, where its own words say too little."""


def _problems(content: dict[str, Any], error: ValidationError) -> str:
    """One problem for each place, in the order of the file."""
    by_place: dict[str, str] = {}
    for each in error.errors():
        wording = WORDINGS.get(each["type"], each["msg"].removeprefix("Value error, "))
        by_place.setdefault(_place(content, each["loc"]), wording)
    said = [f"{place}: {wording}" for place, wording in by_place.items()]
    left = len(said) - SHOWN_PROBLEMS
    return "; ".join([*said[:SHOWN_PROBLEMS], *([f"and {left} more"] if left > 0 else [])])


def _place(content: dict[str, Any], where: tuple[int | str, ...]) -> str:
    """The rule by its id, or by its number in the file, and the keys that lead to the field."""
    keys = [key for key in where if not str(key).startswith("<")]
    if len(keys) < 2 or keys[0] != "rules" or not isinstance(keys[1], int):
        return ".".join(map(str, keys))
    rule = content["rules"][keys[1]]
    name = rule["id"] if isinstance(rule, dict) and isinstance(rule.get("id"), str) else f"number {keys[1] + 1}"
    return ": ".join(filter(None, (f"rule {name}", ".".join(map(str, keys[2:])))))
