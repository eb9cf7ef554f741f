"""
Level 1 of GLEIF's data, who is who: a row of the LEI-CDF 3.1 golden copy as statements about the party ``lei:<LEI>``.

What is believed:

- The headquarters' address is where the party is headquartered; how well, its corroboration level says.
- A lapsed registration is one that nobody looks after: whatever it says is unverified. An annulled, cancelled or
  duplicate one says nothing, and nor does a row that a delta file marks as deleted.
- An entity that is inactive is no more from the day of its expiration, or else of the row's last update.
- A sole proprietor's LEI is about the business of a natural person, not about the person: its name, number and
  headquarters are taken. Its addresses are not, for they may be a home, nor the day of its creation, for it may be one
  of birth, nor its number in other registers, which may be a tax number. It is given no kind: it is no legal person,
  and a natural person has no headquarters here.

Left out: languages, legal forms, other addresses, legal entity events, the kind of an alias.
"""

import re
from collections.abc import Iterator
from datetime import date

from policy.kyc.importing.values import Unfit, country_of, day_of, distinct, id_of, lei_of, text_of
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import Confidence, PartyKind

SOURCE = "gleif"
VOID = frozenset({"ANNULLED", "CANCELLED", "DUPLICATE"})

ENTITY_COLUMNS = re.compile(
    r"LEI|DeletedAt|Entity\.LegalName|Entity\.(?:Transliterated)?OtherEntityNames\.(?:Transliterated)?OtherEntityName\.\d+"
    r"|Entity\.(?:Legal|Headquarters)Address\.(?:FirstAddressLine|AddressNumber|AddressNumberWithinBuilding"
    r"|AdditionalAddressLine\.\d+|City|Region|Country|PostalCode)"
    r"|Entity\.LegalJurisdiction|Entity\.RegistrationAuthority\.RegistrationAuthority(?:Entity)?ID"
    r"|Entity\.Entity(?:Category|Status|CreationDate|ExpirationDate)|Entity\.AssociatedEntity\.AssociatedLEI"
    r"|Entity\.SuccessorEntity\.(?:\d+\.)?SuccessorLEI"
    r"|Registration\.(?:LastUpdateDate|RegistrationStatus|ValidationSources)",
    re.ASCII,
)
"""The columns that are read; no other cell of a row is looked at."""

_ALIASES = ("Entity.OtherEntityNames.", "Entity.TransliteratedOtherEntityNames.")
_SUCCESSORS = "Entity.SuccessorEntity."
_ADDRESSES = ("Entity.LegalAddress.", "Entity.HeadquartersAddress.")
_NO_REGISTER = frozenset({"RA777777", "RA888888", "RA999999"})  # GLEIF's codes for having none, or none on its list
_KINDS = {
    "GENERAL": PartyKind.LEGAL_PERSON,
    "FUND": PartyKind.LEGAL_PERSON,
    "INTERNATIONAL_ORGANIZATION": PartyKind.LEGAL_PERSON,
    "RESIDENT_GOVERNMENT_ENTITY": PartyKind.GOVERNMENT,
    "BRANCH": PartyKind.BRANCH,
}
_LEVELS = {
    "FULLY_CORROBORATED": Confidence.OFFICIAL,
    "PARTIALLY_CORROBORATED": Confidence.DOCUMENTED,
    "ENTITY_SUPPLIED_ONLY": Confidence.STATED,
}
_LOOKED_AFTER = frozenset({"ISSUED", "PUBLISHED", "PENDING_TRANSFER", "PENDING_ARCHIVAL", "MERGED", "RETIRED"})


_Said = tuple[str, str] | tuple[str, str, str]
"""Predicate, value, and the detail if it has one."""


def statements_of_entity(cells: dict[str, str], published: date | None) -> list[Statement]:
    """What a row says; ``published``: the day of the file, for a row that does not tell its own. Raises Unfit."""
    lei = lei_of(cells.get("LEI", ""), "LEI")
    if is_void(cells):
        return []
    as_of = updated_on(cells) or published
    is_business_of_a_person = cells.get("Entity.EntityCategory") == "SOLE_PROPRIETOR"
    said: list[_Said] = [
        ("name", _name(cells)),
        ("identifier", lei, "lei"),
        *_aliases(cells),
        *_places(cells),
        *_end(cells, lei, as_of),
    ]
    if not is_business_of_a_person:
        said += [*_kind(cells, lei), *_creation(cells), *_number(cells), *_addresses(cells)]
    confidence = confidence_of(cells)
    return [
        Statement(
            f"lei:{lei}",
            *each[:2],
            each[2] if len(each) > 2 else None,
            source=SOURCE,
            confidence=confidence,
            as_of=as_of,
        )
        for each in said
    ]


def is_void(cells: dict[str, str]) -> bool:
    """Whether GLEIF has withdrawn the row."""
    return "DeletedAt" in cells or cells.get("Registration.RegistrationStatus") in VOID


def updated_on(cells: dict[str, str]) -> date | None:
    """The day of the row's last update; none where it does not say."""
    return _day(cells, "Registration.LastUpdateDate")


def confidence_of(cells: dict[str, str]) -> str:
    """How well a row is known, by its corroboration; unverified where nobody looks after it any more, or not yet."""
    if cells.get("Registration.RegistrationStatus") not in _LOOKED_AFTER:
        return Confidence.UNVERIFIED.value
    return _LEVELS.get(cells.get("Registration.ValidationSources", ""), Confidence.UNVERIFIED).value


def _name(cells: dict[str, str]) -> str:
    name = text_of(cells.get("Entity.LegalName", ""), "Entity.LegalName")
    if not name:
        raise Unfit("Entity.LegalName", "no name", "the legal name")
    return name


def _aliases(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    names = [text_of(text, column) for column, text in cells.items() if column.startswith(_ALIASES)]
    return (("alias", name) for name in distinct(names))


def _places(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Where it is registered, by its jurisdiction or else its legal address, and where it is headquartered."""
    for predicate, columns in (
        ("registered_country", ("Entity.LegalJurisdiction", "Entity.LegalAddress.Country")),
        ("headquarters_country", ("Entity.HeadquartersAddress.Country",)),
    ):
        countries = [country_of(cells[column], column) for column in columns if column in cells]
        yield from ((predicate, country) for country in countries[:1])


def _end(cells: dict[str, str], lei: str, as_of: date | None) -> Iterator[tuple[str, str]]:
    """When it ended, and who took over."""
    if cells.get("Entity.EntityStatus") == "INACTIVE":
        ended = _day(cells, "Entity.EntityExpirationDate") or as_of
        if ended:
            yield "dissolved_on", ended.isoformat()
    successors = [lei_of(text, column) for column, text in cells.items() if column.startswith(_SUCCESSORS)]
    if lei in successors:
        raise Unfit(f"{_SUCCESSORS}SuccessorLEI", "the party itself", "the LEI of another")
    yield from (("successor", f"lei:{successor}") for successor in distinct(successors))


def _kind(cells: dict[str, str], lei: str) -> Iterator[tuple[str, str]]:
    kind = _KINDS.get(cells.get("Entity.EntityCategory", ""))
    if kind:
        yield "kind", kind.value
    head_office = cells.get("Entity.AssociatedEntity.AssociatedLEI")
    if kind is PartyKind.BRANCH and head_office and head_office != lei:
        yield "branch_of", f"lei:{lei_of(head_office, 'Entity.AssociatedEntity.AssociatedLEI')}"


def _creation(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    created = _day(cells, "Entity.EntityCreationDate")
    if created:
        yield "incorporated_on", created.isoformat()


def _number(cells: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Its number in the register that it is in, by GLEIF's code of the register."""
    column = "Entity.RegistrationAuthority.RegistrationAuthorityID"
    register = cells.get(column, "")
    number = cells.get("Entity.RegistrationAuthority.RegistrationAuthorityEntityID", "")
    if register and number and register not in _NO_REGISTER:
        yield "identifier", text_of(number, column), id_of(register, column)


def _addresses(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    addresses = [_address(cells, prefix) for prefix in _ADDRESSES]
    columns = [f"{prefix}Country" for prefix in _ADDRESSES]
    countries = [country_of(cells[column], column) for column in columns if column in cells]
    yield from (("address", address) for address in distinct(addresses))
    yield from (("address_country", country) for country in distinct(countries))


def _address(cells: dict[str, str], prefix: str) -> str:
    """An address on one line, in the order of the file's columns, each part once: some lines repeat the number."""
    return text_of(", ".join(distinct(text for column, text in cells.items() if column.startswith(prefix))), prefix)


def _day(cells: dict[str, str], column: str) -> date | None:
    return day_of(cells[column], column) if column in cells else None
