"""
A rule pack: rules as YAML, with the source of each, its severity, and what it asks the reviewer.

A rule is about runs, or about the accelerators of the fleet whoever uses them, and matches them by its ``when``. With
``reaches`` it opens a finding when the measured compute of a run reaches a tier: ``crossed`` if the low end of the
interval does, ``may_have_crossed`` if only the high end does. The tier is the provider's; the policy statement behind
the first rules names no amount. Without ``reaches`` no amount decides, and what is found is ``present``.

Its sources are ids of documents in the facts, so that law is cited in one place.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from policy.rules.conditions import Condition, Measure
from policy.rules.finding import Severity, Strength
from policy.rules.scalars import Text
from policy.rules.strict_yaml import YamlProblem, read_yaml
from policy.rules.subject import VOCABULARY, About

WITH_AMOUNT = (Strength.CROSSED, Strength.MAY_HAVE_CROSSED, Strength.NOT_EVALUABLE)
WITHOUT_AMOUNT = (Strength.PRESENT, Strength.NOT_EVALUABLE)
"""The strengths that findings of a rule can have, with ``reaches`` and without."""


class PackError(Exception):
    """A rule pack that cannot be used: which file, which rule, which field, what is wrong. None of it is in force."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unestimated(StrEnum):
    """When a sum of which a part has no estimate is asked about."""

    ALWAYS = "always"
    IF_LARGE = "if_large"


class Reaches(_Part):
    """
    Which sum is held against which tier.

    ``not_alone``: only where no effort of the group reaches it by itself, bound by bound. ``unestimated``: whether a
    sum of which a part has no estimate is asked about always, or only if_large: where its device-hours could reach the
    tier on a device that nobody knows.
    """

    measure: Measure
    tier: Text
    not_alone: StrictBool = False
    unestimated: Unestimated = Unestimated.ALWAYS


class Rule(_Part):
    """
    One rule. ``severity``: how soon somebody should look, by strength.

    ``when_unknown``: whether a subject for which ``when`` is not known is a finding of its own.
    """

    id: Annotated[Text, Field(pattern=r"^[a-z0-9-]+$")]
    version: Annotated[StrictInt, Field(ge=1)]
    title: Text
    about: About = About.RUN
    when: Condition
    reaches: Reaches | None = None
    severity: Mapping[Strength, Severity]
    when_unknown: Literal["finding", "no_finding"]
    asks: Text
    sources: Annotated[tuple[Text, ...], Field(min_length=1)]

    @field_validator("when")
    @classmethod
    def _of_its_subject(cls, when: Condition, rest: ValidationInfo) -> Condition:
        about: About | None = rest.data.get("about")
        if about is None:
            return when
        known = VOCABULARY[about]
        strangers = [name for name in when.fields if name not in known]
        if strangers:
            what = f"{strangers[0]!r} is no field of a rule about {_plural(about)}"
            raise ValueError(f"{what}; there are {', '.join(known)}")
        return when

    @field_validator("reaches")
    @classmethod
    def _only_of_runs(cls, reaches: Reaches | None, rest: ValidationInfo) -> Reaches | None:
        if reaches is not None and rest.data.get("about") is About.ACCELERATOR:
            raise ValueError("only runs add up to an amount of compute; leave it out, or let the rule be about run")
        return reaches

    @field_validator("severity")
    @classmethod
    def _of_each_strength(
        cls, severity: Mapping[Strength, Severity], rest: ValidationInfo
    ) -> Mapping[Strength, Severity]:
        if "reaches" not in rest.data:
            return severity
        reaches = rest.data["reaches"]
        strengths = WITHOUT_AMOUNT if reaches is None else WITH_AMOUNT
        if set(severity) != set(strengths):
            why = "without reaches" if reaches is None else "with reaches"
            raise ValueError(f"{why} it names {', '.join(strengths)}, and here {', '.join(severity) or 'nothing'}")
        return severity

    @property
    def strengths(self) -> tuple[Strength, ...]:
        """The strengths that its findings can have."""
        return WITHOUT_AMOUNT if self.reaches is None else WITH_AMOUNT


def _plural(about: About) -> str:
    return f"{about}s"


class _Written(_Part):
    """What an author writes."""

    pack: Text
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class Pack(_Written):
    """Rules in force together. ``digest`` names exactly this ``text``; ``file`` is where it was, for errors."""

    digest: str
    text: str
    file: str

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers that its rules compare with, by name."""
        return tuple(sorted({rule.reaches.tier for rule in self.rules if rule.reaches}))

    @property
    def citing(self) -> Mapping[str, tuple[str, ...]]:
        """The rules that cite a document, by the document's id."""
        cited = dict.fromkeys(each for rule in self.rules for each in rule.sources)
        return {each: tuple(rule.id for rule in self.rules if each in rule.sources) for each in cited}


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
    return Pack(pack=written.pack, rules=written.rules, digest=digest, text=text, file=name)


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
    keys = [key for key in where if not str(key).startswith("<") and key != "[key]"]
    if len(keys) < 2 or keys[0] != "rules" or not isinstance(keys[1], int):
        return ".".join(map(str, keys))
    rule = content["rules"][keys[1]]
    name = rule["id"] if isinstance(rule, dict) and isinstance(rule.get("id"), str) else f"number {keys[1] + 1}"
    return ": ".join(filter(None, (f"rule {name}", ".".join(map(str, keys[2:])))))
