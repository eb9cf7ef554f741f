"""
Level 2 of GLEIF's data, who owns whom: a row of the RR-CDF 2.1 golden copy, or of the reporting exceptions 2.1.

What is believed:

- A parent here is who consolidates the party in its accounts. That is no share: none is stated, and no quantifier read.
- Of a row's periods only the relationship's own counts. An accounting or filing period ends each year, the relation
  does not. A relation that is inactive has ended on its last day, or else by the row's last update.
- An exception is the party's own word. That natural persons control it with no legal person between, or that nobody
  known does, makes it its own ultimate parent, if no other reason stands beside it. Every other reason leaves the
  parent unknown: someone may be there who has no LEI, does not consolidate or does not want to be named.
- An exception about the direct parent says nothing that is stated here.

A fund's manager controls it otherwise than by shares. A sub-fund, and a feeder to a master fund, are affiliates of it.
"""

import re
from collections.abc import Iterator
from datetime import date

from policy.kyc.importing.gleif_entities import SOURCE, confidence_of, is_void, updated_on
from policy.kyc.importing.values import Unfit, day_after, day_of, lei_of
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import SELF, Confidence

RELATION_COLUMNS = re.compile(
    r"DeletedAt|Relationship\.(?:Start|End)Node\.NodeID(?:Type)?|Relationship\.Relationship(?:Type|Status)"
    r"|Relationship\.Period\.\d+\.(?:startDate|endDate|periodType)"
    r"|Registration\.(?:LastUpdateDate|RegistrationStatus|ValidationSources)",
    re.ASCII,
)
EXCEPTION_COLUMNS = re.compile(r"LEI|DeletedAt|Exception\.Category|Exception\.Reason\.\d+", re.ASCII)

_PREDICATES = {
    "IS_DIRECTLY_CONSOLIDATED_BY": ("parent", None),
    "IS_ULTIMATELY_CONSOLIDATED_BY": ("ultimate_parent", None),
    "IS_INTERNATIONAL_BRANCH_OF": ("branch_of", None),
    "IS_FUND-MANAGED_BY": ("controlled_by", "fund manager"),
    "IS_SUBFUND_OF": ("affiliate_of", None),
    "IS_FEEDER_TO": ("affiliate_of", None),
}
_OVER = frozenset({"INACTIVE", "RETIRED"})
_ULTIMATE = "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT"
_CATEGORIES = (_ULTIMATE, "DIRECT_ACCOUNTING_CONSOLIDATION_PARENT")
_NOBODY_ABOVE = frozenset({"NATURAL_PERSONS", "NO_KNOWN_PERSON"})
_REASONS = _NOBODY_ABOVE | {
    "NON_CONSOLIDATING",
    "NO_LEI",
    "NON_PUBLIC",
    "BINDING_LEGAL_COMMITMENTS",
    "LEGAL_OBSTACLES",
    "CONSENT_NOT_OBTAINED",
    "DISCLOSURE_DETRIMENTAL",
    "DETRIMENT_NOT_EXCLUDED",
}


def statements_of_relation(cells: dict[str, str], published: date | None) -> list[Statement]:
    """What a relationship record says; nothing if one of the two has no LEI. Raises Unfit."""
    predicate, detail = _predicate(cells)
    below, above = (_node(cells, node) for node in ("StartNode", "EndNode"))
    if below == above and below is not None:
        raise Unfit("Relationship.EndNode.NodeID", "the party itself", "the LEI of another")
    as_of = updated_on(cells) or published
    begins, ends = _period(cells, as_of)
    if below is None or above is None or is_void(cells) or (_is_over(cells) and ends is None):
        return []
    return [
        Statement(
            below, predicate, above, detail, None, None, begins, ends, SOURCE, None, confidence_of(cells), as_of
        )
    ]  # fmt: skip


def _predicate(cells: dict[str, str]) -> tuple[str, str | None]:
    try:
        return _PREDICATES[cells.get("Relationship.RelationshipType", "")]
    except KeyError as error:
        expected = f"one of {', '.join(_PREDICATES)}"
        raise Unfit("Relationship.RelationshipType", "no type of relationship", expected) from error


def _node(cells: dict[str, str], node: str) -> str | None:
    """The party at one end; None where it is known by something else than an LEI."""
    column = f"Relationship.{node}.NodeID"
    if cells.get(f"{column}Type", "LEI") != "LEI":
        return None
    return f"lei:{lei_of(cells.get(column, ''), column)}"


def _is_over(cells: dict[str, str]) -> bool:
    status, registration = cells.get("Relationship.RelationshipStatus"), cells.get("Registration.RegistrationStatus")
    return status in _OVER or registration in _OVER


def _period(cells: dict[str, str], as_of: date | None) -> tuple[date | None, date | None]:
    """From when until when it was so, as widely as the row allows; it has an end only where the relation is over."""
    periods = list(_relationship_periods(cells))
    begins = _all([start for start, _ in periods])
    if not _is_over(cells):
        return min(begins, default=None), None
    last_day = max(_all([last_day for _, last_day in periods]), default=None)
    return min(begins, default=None), day_after(last_day) if last_day else as_of


def _all(days: list[date | None]) -> list[date]:
    """The days if all of them are known; else none: where one side is open, it stays so."""
    known = [day for day in days if day]
    return known if len(known) == len(days) else []


def _relationship_periods(cells: dict[str, str]) -> Iterator[tuple[date | None, date | None]]:
    for column, text in cells.items():
        if text == "RELATIONSHIP_PERIOD" and column.startswith("Relationship.Period."):
            prefix = column.removesuffix("periodType")
            yield _day(cells, f"{prefix}startDate"), _day(cells, f"{prefix}endDate")


def _day(cells: dict[str, str], column: str) -> date | None:
    return day_of(cells[column], column) if column in cells else None


def statements_of_exception(cells: dict[str, str], published: date | None) -> list[Statement]:
    """What the reasons for naming no parent say: that there is none, or nothing. Raises Unfit."""
    lei = lei_of(cells.get("LEI", ""), "LEI")
    if cells.get("Exception.Category") not in _CATEGORIES:
        raise Unfit("Exception.Category", "no category", f"one of {', '.join(_CATEGORIES)}")
    reasons = _reasons(cells)
    nobody_above = cells["Exception.Category"] == _ULTIMATE and reasons <= _NOBODY_ABOVE
    if is_void(cells) or not nobody_above:
        return []
    confidence = Confidence.STATED.value
    return [Statement(f"lei:{lei}", "ultimate_parent", SELF, source=SOURCE, confidence=confidence, as_of=published)]


def _reasons(cells: dict[str, str]) -> set[str]:
    found = {text: column for column, text in cells.items() if column.startswith("Exception.Reason.")}
    for text, column in found.items() or (("", "Exception.Reason.1"),):
        if text not in _REASONS:
            raise Unfit(column, "no reason", f"one of {', '.join(sorted(_REASONS))}")
    return set(found)
