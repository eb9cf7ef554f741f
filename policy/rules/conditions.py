"""
The rule language: a tree of comparisons over the fields of a run or of an accelerator, in YAML.

    all:
      - {field: verdict, equals: training}
      - {field: hq_in_scope, equals: "yes"}
      - not: {field: workload_kind, in: [Deployment, StatefulSet]}

The tree is validated and translated to a polars expression here; no text of a rule is ever executed, so a rule can read
no file and call no function. A text that its field can never hold is refused: such a rule would be silent for ever. The
logic has three values: a comparison with a field that is not known is not known, and the rule says what that means
(``when_unknown``). Some fields say by a word of their own that something is not known (``hq_in_scope: unknown``,
``verdict: undetermined``, ``highest_paragraph: unclassified``): such a word is an answer like the others, and a rule
that should find it names it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from policy.facts.evidence import Answer
from policy.judgement.declared import NONE_DECLARED
from policy.judgement.hardware import ANSWERS
from policy.judgement.link import Changed
from policy.judgement.verdict import Verdict
from policy.kyc.dossier import QUESTIONS
from policy.kyc.link import LinkState
from policy.kyc.registers.activity import Named
from policy.kyc.vocabulary import PREDICATES, Tenancy
from policy.rules.finding import SubjectKind
from policy.rules.scalars import Number, Text
from policy.rules.subject import PATTERN_FIELDS, VOCABULARY, Seen

FIELDS = {name: dtype for columns in VOCABULARY.values() for name, dtype in columns.items()}
"""Of every vocabulary; that a rule's fields belong to what it is about is the rule's affair."""
TEXT_FIELDS = tuple(name for name, dtype in FIELDS.items() if dtype == pl.String)
NUMBER_FIELDS = tuple(name for name, dtype in FIELDS.items() if dtype == pl.Float64)
WORDS = {
    "verdict": tuple(Verdict),
    "link_state": tuple(LinkState),
    "subject_kind": tuple(SubjectKind),
    "vendor_known": (Answer.YES, Answer.NO),
    "tenancy": (*Tenancy, Answer.UNKNOWN),
    "changed": tuple(Changed),
    "named_hardware": tuple(Named),
    **dict.fromkeys(("us_person", "possession", "declared_use_contradicted"), tuple(Answer)),
    "declared_workload": (*PREDICATES["declared_workload"].words, NONE_DECLARED),
    **dict.fromkeys(PATTERN_FIELDS, tuple(Seen)),
    **QUESTIONS,
    **ANSWERS,
}
"""Fields that hold one of a few words."""


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OfField(_Node):
    field: Text

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that decide it."""
        return (self.field,)

    def _must_be(self, kind: str, known: Sequence[str]) -> None:
        if self.field not in known:
            raise ValueError(f"{self.field!r} is not a {kind} field; there are {', '.join(known)}")

    def _may_hold(self, texts: Sequence[str]) -> None:
        self._must_be("text", TEXT_FIELDS)
        words = WORDS.get(self.field)
        for text in texts:
            if words and text not in words:
                raise ValueError(f"{self.field} is never {text!r}; it is one of {', '.join(words)}")


class Equals(_OfField):
    """The field is this text."""

    equals: Text

    @model_validator(mode="after")
    def _known(self) -> "Equals":
        self._may_hold([self.equals])
        return self

    def expression(self) -> pl.Expr:
        """Null where the field is not known."""
        return pl.col(self.field) == pl.lit(self.equals)


class OneOf(_OfField):
    """The field is one of these texts."""

    one_of: Annotated[tuple[Text, ...], Field(alias="in", min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> "OneOf":
        self._may_hold(self.one_of)
        return self

    def expression(self) -> pl.Expr:
        """Null where the field is not known."""
        return pl.col(self.field).is_in(self.one_of)


class AtLeast(_OfField):
    """The field is this number or more."""

    at_least: Number

    @model_validator(mode="after")
    def _known(self) -> "AtLeast":
        self._must_be("number", NUMBER_FIELDS)
        return self

    def expression(self) -> pl.Expr:
        """Null where the field is not known."""
        return pl.col(self.field) >= self.at_least


class All(_Node):
    """Every part holds."""

    all: Annotated[tuple["Condition", ...], Field(min_length=1)]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that decide it."""
        return _fields_of(self.all)

    def expression(self) -> pl.Expr:
        """False where one part is false; else null where one is not known."""
        return pl.all_horizontal(part.expression() for part in self.all)


class AnyOf(_Node):
    """At least one part holds."""

    any: Annotated[tuple["Condition", ...], Field(min_length=1)]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that decide it."""
        return _fields_of(self.any)

    def expression(self) -> pl.Expr:
        """Give true where one part is true; else null where one is not known."""
        return pl.any_horizontal(part.expression() for part in self.any)


class Not(_Node):
    """The part does not hold."""

    negated: Annotated["Condition", Field(alias="not")]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that decide it."""
        return self.negated.fields

    def expression(self) -> pl.Expr:
        """Null where the part is not known."""
        return self.negated.expression().not_()


KEYS = ("equals", "in", "at_least", "all", "any", "not")


def _shape(written: object) -> str | None:
    """Which condition is meant: the one of KEYS that is there."""
    keys = [key for key in KEYS if isinstance(written, dict) and key in written]
    return f"<{keys[0]}>" if len(keys) == 1 else None


Condition = Annotated[
    Annotated[Equals, Tag("<equals>")]
    | Annotated[OneOf, Tag("<in>")]
    | Annotated[AtLeast, Tag("<at_least>")]
    | Annotated[All, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")],
    Discriminator(
        _shape,
        custom_error_type="condition",
        custom_error_message=f"a condition is a mapping with exactly one of {', '.join(KEYS)}",
    ),
]
"""Tags are in angle brackets, so that an error's place can be told from the keys that the author wrote."""

Measure = Literal["run_flop", "tenant_flop", "group_flop"]


def _fields_of(parts: Sequence[Condition]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part.fields))


All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()
