"""
Records of GLEIF's API as rows of its golden copy: the same cells under the golden copy's names.

The API gives what the files give, under other names and nested; it leaves out nothing that is read here. Its moments
are in UTC where the files' are local, so that a day may be the one before.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from types import MappingProxyType

from policy.kyc.importing.files import Json
from policy.kyc.importing.values import Unfit, day_of

Cell = tuple[str, str]

_ADDRESS = {
    "addressNumber": "AddressNumber",
    "addressNumberWithinBuilding": "AddressNumberWithinBuilding",
    "city": "City",
    "region": "Region",
    "postalCode": "PostalCode",
    "country": "Country",
}
_ENTITY = {
    "jurisdiction": "Entity.LegalJurisdiction",
    "category": "Entity.EntityCategory",
    "status": "Entity.EntityStatus",
    "creationDate": "Entity.EntityCreationDate",
    "registeredAs": "Entity.RegistrationAuthority.RegistrationAuthorityEntityID",
}
_REGISTRATION = {
    "lastUpdateDate": "Registration.LastUpdateDate",
    "status": "Registration.RegistrationStatus",
    "corroborationLevel": "Registration.ValidationSources",
}
_NAMES = {
    "otherNames": "Entity.OtherEntityNames.OtherEntityName",
    "transliteratedOtherNames": "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName",
}


def records_of(document: Json) -> list[Json]:
    """The records of an answer: a page of them, one, or the document itself."""
    data = document.get("data", document) if isinstance(document, dict) else document
    return data if isinstance(data, list) else [data]


def published_on(document: Json) -> date | None:
    """The day of the golden copy that an answer is from."""
    moment = _at(document, "meta", "goldenCopy", "publishDate")
    try:
        return day_of(moment, "publishDate") if isinstance(moment, str) else None
    except Unfit:
        return None


def _at(value: Json, *keys: str) -> Json:
    """What is found under the keys; None where there is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Json, *keys: str) -> str:
    found = _at(value, *keys)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Unfit(".".join(keys), "no text", "a text or null")
    return found


def _list(value: Json, *keys: str) -> list[Json]:
    found = _at(value, *keys)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Unfit(".".join(keys), "no list", "a list or null")
    return found


def _entity_cells(record: Json) -> Iterator[Cell]:
    attributes = _at(record, "attributes")
    entity = _at(attributes, "entity")
    yield "LEI", _text(attributes, "lei")
    yield "Entity.LegalName", _text(entity, "legalName", "name")
    for key, column in _ENTITY.items():
        yield column, _text(entity, key)
    for key, column in _NAMES.items():
        for at, name in enumerate(_list(entity, key), start=1):
            yield f"{column}.{at}", _text(name, "name")
    yield from _address_cells(entity, "legalAddress", "Entity.LegalAddress")
    yield from _address_cells(entity, "headquartersAddress", "Entity.HeadquartersAddress")
    yield "Entity.RegistrationAuthority.RegistrationAuthorityID", _text(entity, "registeredAt", "id")
    yield "Entity.AssociatedEntity.AssociatedLEI", _text(entity, "associatedEntity", "lei")
    yield "Entity.EntityExpirationDate", _text(entity, "expiration", "date")
    yield "Entity.SuccessorEntity.SuccessorLEI", _text(entity, "successorEntity", "lei")
    for at, successor in enumerate(_list(entity, "successorEntities"), start=1):
        yield f"Entity.SuccessorEntity.{at}.SuccessorLEI", _text(successor, "lei")
    yield from _registration_cells(attributes)


def _address_cells(entity: Json, key: str, column: str) -> Iterator[Cell]:
    lines = _list(entity, key, "addressLines")
    for at, line in enumerate(lines):
        if not isinstance(line, str):
            raise Unfit(f"{key}.addressLines", "no text", "a list of texts")
        yield f"{column}.AdditionalAddressLine.{at}" if at else f"{column}.FirstAddressLine", line
    for part, name in _ADDRESS.items():
        yield f"{column}.{name}", _text(entity, key, part)


def _registration_cells(attributes: Json) -> Iterator[Cell]:
    for key, column in _REGISTRATION.items():
        yield column, _text(attributes, "registration", key)


def _relation_cells(record: Json) -> Iterator[Cell]:
    attributes = _at(record, "attributes")
    relation = _at(attributes, "relationship")
    for key, node in (("startNode", "StartNode"), ("endNode", "EndNode")):
        yield f"Relationship.{node}.NodeID", _text(relation, key, "id")
        yield f"Relationship.{node}.NodeIDType", _text(relation, key, "type")
    yield "Relationship.RelationshipType", _text(relation, "type")
    yield "Relationship.RelationshipStatus", _text(relation, "status")
    for at, period in enumerate(_list(relation, "periods"), start=1):
        for key, name in (("startDate", "startDate"), ("endDate", "endDate"), ("type", "periodType")):
            yield f"Relationship.Period.{at}.{name}", _text(period, key)
    yield from _registration_cells(attributes)


def _exception_cells(record: Json) -> Iterator[Cell]:
    attributes = _at(record, "attributes")
    yield "LEI", _text(attributes, "lei")
    yield "Exception.Category", _text(attributes, "category")
    yield "Exception.Reason.1", _text(attributes, "reason")


CELLS_OF: Mapping[str, Callable[[Json], Iterator[Cell]]] = MappingProxyType(
    {
        "lei-records": _entity_cells,
        "relationship-records": _relation_cells,
        "reporting-exceptions": _exception_cells,
    }
)
"""How a record of each type becomes cells."""
