"""
Between a finding or a stitch and the JSON document it is kept as, in both directions and without loss.

JSON has no word for infinity, and a finding's top can be unbounded: such numbers are kept as text. The id of a kept
finding is stored beside the document and never computed again from it.
"""

import math
from typing import Any

from pydantic import TypeAdapter

from policy.review.stitch import Stitch
from policy.rules.finding import Finding

_FINDING = TypeAdapter(Finding)
_STITCH = TypeAdapter(Stitch)


def document_of(finding: Finding) -> dict[str, Any]:
    """The finding as values that every database's JSON can hold."""
    document: dict[str, Any] = _FINDING.dump_python(finding, mode="json")
    document["comparisons"] = [
        {name: _spelled(value) for name, value in comparison.items()} for comparison in document["comparisons"]
    ]
    return document


def finding_of(document: dict[str, Any]) -> Finding:
    """The finding that a document was made from."""
    return _FINDING.validate_python(document)


def document_of_stitch(stitch: Stitch) -> dict[str, Any]:
    """The stitch as values that every database's JSON can hold."""
    return {name: _spelled(value) for name, value in _STITCH.dump_python(stitch, mode="json").items()}


def stitch_of(document: dict[str, Any]) -> Stitch:
    """The stitch that a document was made from."""
    return _STITCH.validate_python(document)


def _spelled(value: object) -> object:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
