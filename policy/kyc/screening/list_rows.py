"""
One row of a list's file, in the same shape whichever form the file has.

A row is the texts ``source``, ``entry``, ``name`` and ``type``, and the texts of ``aliases``, ``addresses`` and
``programmes``. Nothing else of a file gets past this module.
"""

from collections.abc import Iterable, Mapping

OLDER_COLUMNS = (
    "source", "entity_number", "type", "programs", "name", "title", "addresses", "federal_register_notice",
    "start_date", "end_date", "standard_order", "license_requirement", "license_policy", "call_sign", "vessel_type",
    "gross_tonnage", "gross_registered_tonnage", "vessel_flag", "vessel_owner", "remarks", "source_list_url",
    "alt_names", "citizenships", "dates_of_birth", "nationalities", "places_of_birth", "source_information_url", "ids",
)  # fmt: skip
COLUMNS = ("_id", *OLDER_COLUMNS)
SIMPLE_NEEDED = ("list", "entry", "name")
SIMPLE_COLUMNS = (*SIMPLE_NEEDED, "aliases", "addresses", "programmes", "type")
NOBODY = ("any successor", "all successor", "its successor")
"""How what follows a name begins that is no name: any successor, sub-unit, or subsidiary thereof."""
BETWEEN = ";"
"""Stands between several values in one cell."""
Row = dict[str, object]


class RowError(ValueError):
    """What is wrong with a row, and what was expected in which column."""

    def __init__(self, column: str, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.column, self.problem, self.expected = column, problem, expected


def of_csl(cells: Mapping[str, str]) -> Row:
    """A row of the Consolidated Screening List as CSV."""
    return {
        "source": cells["source"],
        "entry": cells.get("_id", ""),
        "name": cells["name"],
        "type": cells["type"],
        "aliases": _split(cells["alt_names"]),
        "addresses": _split(cells["addresses"]),
        "programmes": _split(cells["programs"]),
    }


def of_simple(cells: Mapping[str, str]) -> Row | RowError:
    """A row of the simple form."""
    if not cells["entry"]:
        return RowError("entry", "is empty", "an id in every row")
    several = {name: _split(cells.get(name, "")) for name in ("aliases", "addresses", "programmes")}
    return {"source": cells["list"], **{name: cells.get(name, "") for name in ("entry", "name", "type")}, **several}


def _split(cell: str) -> list[str]:
    """The values of one cell."""
    return _values(cell.split(BETWEEN))


def _values(parts: Iterable[str]) -> list[str]:
    """Each value once, without the word before the last, and without what is said of nobody by name."""
    values = (part.strip().removeprefix("and ").strip() for part in parts)
    return list(dict.fromkeys(each for each in values if each and not each.casefold().startswith(NOBODY)))


def of_record(record: object) -> Row | RowError:
    """A record of the Consolidated Screening List as JSON."""
    if not isinstance(record, dict):
        return RowError("whole row", "is no object", "an object for each entry")
    try:
        return {
            "source": _one(record, "source"),
            "entry": _one(record, "_id") or _one(record, "id"),
            "name": _one(record, "name"),
            "type": _one(record, "type"),
            "aliases": _several(record, "alt_names"),
            "addresses": list(_addresses(record.get("addresses"))),
            "programmes": _several(record, "programs"),
        }
    except RowError as error:
        return error


def _one(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return (value or "").strip()
    raise RowError(name, "is no text", "a text, or null")


def _several(record: Mapping[str, object], name: str) -> list[str]:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return _split(value or "")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return _values(value)
    raise RowError(name, "is no array of texts", "an array of texts")


def _addresses(value: object) -> Iterable[str]:
    """Addresses as the CSV writes them, from their parts."""
    if value is None or isinstance(value, str):
        return _split(value or "")
    wrong = RowError("addresses", "is no array of addresses", "an array of objects with address, city, country")
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise wrong
    parts = [[each.get(name) for name in ("address", "city", "state", "postal_code", "country")] for each in value]
    if not all(part is None or isinstance(part, str) for each in parts for part in each):
        raise wrong
    return [text for each in parts if (text := ", ".join(part.strip() for part in each if part and part.strip()))]
