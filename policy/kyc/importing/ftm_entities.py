"""
One FollowTheMoney entity: an id, a schema, and the properties that its reader asks for by name. No other is looked at.
"""

import json
from dataclasses import dataclass
from datetime import date

from policy.kyc.importing.files import Json
from policy.kyc.importing.values import Unfit, day_of, distinct, id_of, text_of
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import Confidence

SOURCE = "followthemoney"
SHOWN_DATASETS = 5  # a guess: a merged entity may be in dozens, and a source stands in every statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """An entity. ``properties`` is as written: what it holds is read by :meth:`texts` and :meth:`parties` alone."""

    id: str
    schema: str
    properties: dict[str, Json]
    source: str
    as_of: date | None

    @property
    def party(self) -> str:
        """The id of the party that it is."""
        return f"ftm:{self.id}"

    def texts(self, name: str) -> list[str]:
        """The different values of a property, on one line each. Raises Unfit."""
        column = f"properties.{name}"
        return distinct(text_of(_text(value, column), column) for value in self._values(name))

    def ids(self, name: str) -> list[str]:
        """The ids of the entities that a property names; one may be nested in it, and then only its id is read."""
        column = f"properties.{name}"
        values = [value.get("id") if isinstance(value, dict) else value for value in self._values(name)]
        return distinct(id_of(_text(value, column), column) for value in values)

    def says(self, predicate: str, value: str, detail: str | None = None) -> Statement:
        """A statement about the party that it is."""
        return self.says_of(self.party, predicate, value, detail)

    def says_of(
        self,
        subject: str,
        predicate: str,
        value: str,
        detail: str | None = None,
        *,
        share: tuple[float | None, float | None] = (None, None),
        period: tuple[date | None, date | None] = (None, None),
    ) -> Statement:
        """A statement about any party, by this entity's source."""
        said = (subject, predicate, value, detail, *share, *period)
        return Statement(*said, source=self.source, confidence=Confidence.STATED.value, as_of=self.as_of)

    def _values(self, name: str) -> list[Json]:
        found = self.properties.get(name, [])
        if not isinstance(found, list):
            raise Unfit(f"properties.{name}", "no list", "a list of values")
        return found


def entity_of(line: str) -> Entity:
    """The entity that a line holds. Raises Unfit."""
    record = _record(line)
    properties = record.get("properties")
    if not isinstance(properties, dict):
        raise Unfit("properties", "no properties", "an object with lists of values")
    return Entity(
        id=id_of(_text(record.get("id"), "id"), "id"),
        schema=_text(record.get("schema"), "schema"),
        properties=properties,
        source=_source(record.get("datasets")),
        as_of=_as_of(record),
    )


def _record(line: str) -> dict[str, Json]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unfit("whole row", "no JSON", "one entity in a line") from error
    if not isinstance(record, dict):
        raise Unfit("whole row", "no entity", "a JSON object with id, schema and properties")
    return record


def _text(value: Json, column: str) -> str:
    if not isinstance(value, str):
        raise Unfit(column, "no text", "a text")
    return value


def _source(datasets: Json) -> str:
    if datasets is None:
        return SOURCE
    if not isinstance(datasets, list):
        raise Unfit("datasets", "no list", "a list of names")
    names = sorted(distinct(id_of(_text(name, "datasets"), "datasets") for name in datasets))
    more = [f"and {len(names) - SHOWN_DATASETS} more"] if len(names) > SHOWN_DATASETS else []
    return " ".join([SOURCE, *names[:SHOWN_DATASETS], *more])


def _as_of(record: dict[str, Json]) -> date | None:
    """The day of its last change, or else on which the source was seen to say so."""
    for column in ("last_change", "last_seen", "first_seen"):
        if record.get(column) is not None:
            return day_of(_text(record[column], column), column)
    return None
