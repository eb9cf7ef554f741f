from itertools import product
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError
from support.judgement import a_subject, subjects_frame

from policy.rules.conditions import Condition

TRUE, FALSE, NULL = True, False, None
FIELDS = ("workload_kind", "workload_name")
KLEENE = list(product((TRUE, FALSE, NULL), repeat=2))


def read(written: object) -> Any:
    """Read a condition as a pack would."""
    return TypeAdapter(Condition).validate_python(written)


def answer(written: object, **different: Any) -> bool | None:
    """Ask a condition about one subject."""
    frame = subjects_frame(a_subject(**different))
    result: bool | None = frame.select(read(written).expression().alias("answer")).item()
    return result


def truth(of_field: str) -> dict[str, str]:
    """Write a comparison that is true, false or null as the field is."""
    return {"field": of_field, "equals": "yes"}


def fields(first: bool | None, second: bool | None) -> dict[str, str | None]:
    """Give two fields for which the two comparisons have these answers."""
    texts = {TRUE: "yes", FALSE: "no", NULL: None}
    return dict(zip(FIELDS, (texts[first], texts[second]), strict=True))


@pytest.mark.parametrize(("first", "second"), KLEENE)
def test_all(first: bool | None, second: bool | None) -> None:
    """All: false where one part is false; else not known where one is not known."""
    expected = FALSE if FALSE in (first, second) else NULL if NULL in (first, second) else TRUE
    assert answer({"all": [truth(name) for name in FIELDS]}, **fields(first, second)) is expected


@pytest.mark.parametrize(("first", "second"), KLEENE)
def test_any(first: bool | None, second: bool | None) -> None:
    """Any: true where one part is true; else not known where one is not known."""
    expected = TRUE if TRUE in (first, second) else NULL if NULL in (first, second) else FALSE
    assert answer({"any": [truth(name) for name in FIELDS]}, **fields(first, second)) is expected


@pytest.mark.parametrize(("inner", "expected"), [(TRUE, FALSE), (FALSE, TRUE), (NULL, NULL)])
def test_not(inner: bool | None, expected: bool | None) -> None:
    """Not: what is not known stays not known."""
    assert answer({"not": truth("workload_kind")}, **fields(inner, None)) is expected


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ({"field": "workload_kind", "in": ["Job", "Pod"]}, {"workload_kind": "Pod"}, TRUE),
        ({"field": "workload_kind", "in": ["Job", "Pod"]}, {"workload_kind": "pod"}, FALSE),
        ({"field": "workload_kind", "in": ["Job", "Pod"]}, {"workload_kind": None}, NULL),
        ({"field": "peak_devices", "at_least": 64}, {"peak_devices": 64.0}, TRUE),
        ({"field": "peak_devices", "at_least": 64}, {"peak_devices": 63.9}, FALSE),
        ({"field": "high_flop", "at_least": 10**25}, {"high_flop": 1e25}, TRUE),
        ({"field": "high_flop", "at_least": 1e25}, {"high_flop": None}, NULL),
    ],
)
def test_comparison(written: object, value: dict[str, Any], expected: bool | None) -> None:
    """A comparison with a field that is not known is not known, and never false."""
    assert answer(written, **value) is expected


def test_fields() -> None:
    """A condition tells each field that decides it, once."""
    inner = {"any": [truth("workload_kind"), {"not": truth("workload_name")}]}
    assert read({"all": [inner, truth("workload_kind")]}).fields == FIELDS


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({"field": "verdikt", "equals": "training"}, "'verdikt' is not a text field; there are run_id"),
        ({"field": "peak_devices", "equals": "8"}, "'peak_devices' is not a text field"),
        ({"field": "peak_devices", "in": ["8"]}, "'peak_devices' is not a text field"),
        ({"field": "verdict", "at_least": 1}, "'verdict' is not a number field; there are piece_count"),
        ({"field": "evidence", "equals": "x"}, "'evidence' is not a text field"),
        ({"field": "law_at", "at_least": 1}, "'law_at' is not a number field"),
        ({"field": "^.*$", "equals": "x"}, "is not a text field"),
        ({"field": "*", "equals": "x"}, "is not a text field"),
        (
            {"field": "verdict", "equals": "trainning"},
            "verdict is never 'trainning'; it is one of training, not_training",
        ),
        ({"field": "hq_in_scope", "in": ["yes", "Yes"]}, "hq_in_scope is never 'Yes'; it is one of yes, unknown, no"),
        (
            {"field": "presumed", "equals": "yes"},
            "presumed is never 'yes'; it is one of named, presumed, classify, unknown",
        ),
        (
            {"field": "highest_paragraph", "equals": "3A090.a.1"},
            "it is one of 3A090.a, 3A090, 3A090.b, other, ",
        ),
        ({"field": "controlled_by_letter", "equals": "maybe"}, "it is one of yes, unknown, no"),
        ({"field": "vendor_known", "equals": "unknown"}, "it is one of yes, no"),
        ({"field": "link_state", "equals": "link"}, "it is one of linked, unlinked, unknown_tenant"),
        ({"field": "hq_in_scope", "equals": True}, "YAML reads an unquoted yes, no, on, off"),
        ({"field": "hq_in_scope", "in": ["unknown", False]}, "YAML reads an unquoted yes, no, on, off"),
        ({"field": "workload_name", "equals": 7}, "7 is not a text; put it in quotes"),
        ({"field": "workload_name", "equals": None}, "None is not a text"),
        ({"field": "workload_name", "equals": " "}, "the text is empty"),
        ({"field": "high_flop", "at_least": "1e23"}, "'1e23' is a text and not a number; write it without quotes"),
        ({"field": "high_flop", "at_least": True}, "True is not a number"),
        ({"field": "high_flop", "at_least": float("nan")}, "finite number"),
        ({"field": "high_flop", "at_least": float("inf")}, "finite number"),
        ({"field": "workload_name", "in": []}, "at least 1 item"),
        ({"all": []}, "at least 1 item"),
        ({}, "exactly one of equals, in, at_least, all, any, not"),
        ("verdict == 'training'", "exactly one of equals"),
        ({"field": "verdict", "equals": "training", "in": ["training"]}, "exactly one of equals"),
        ({"all": [truth("workload_name")], "not": truth("workload_name")}, "exactly one of equals"),
        ({"field": "workload_name", "equals": "x", "why": "y"}, "Extra inputs"),
        ({"negated": truth("workload_name")}, "exactly one of equals"),
    ],
)
def test_refused(written: object, problem: str) -> None:
    """A field that there is not, a value of the wrong type, or one that its field never holds is refused and named."""
    with pytest.raises(ValidationError) as caught:
        read(written)
    assert problem in str(caught.value)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd')",
        "pl.col('verdict')",
        "' OR 1=1 --",
        "__import__('os').system('true')",
        "^.*$",
        "*",
        "workload_namespace",
        "{{7*7}}",
    ],
)
def test_text_is_only_compared(text: str) -> None:
    """A text that is code somewhere, a pattern or the name of another field is compared, letter by letter."""
    for written in ({"field": "workload_name", "equals": text}, {"field": "workload_name", "in": [text]}):
        assert answer(written, workload_name=text, workload_namespace="space-a") is True
        assert answer(written, workload_name="effort", workload_namespace="effort") is False


def test_many_rows() -> None:
    """Each row has its own answer."""
    kinds = ["Job", None, "Pod"]
    frame = subjects_frame(*(a_subject(workload_kind=kind) for kind in kinds))
    got = frame.select(answer=read({"field": "workload_kind", "equals": "Job"}).expression())
    assert got["answer"].to_list() == [True, None, False]
    assert got.schema == {"answer": pl.Boolean}
