"""
What a FollowTheMoney entity says of a party itself.

What is believed of a Company, Organization or PublicBody:

- ``jurisdiction`` is where it is registered, which never decides. ``country`` is any association with a country and
  ``mainCountry`` a "country of origin": neither says where it is headquartered, and a wrong one would clear. The form
  has no headquarters, so that none comes from it: it stays unknown.
- A date of incorporation without its day is no day, and is left out. A party that is dissolved in 2021 is surely no
  more when 2021 is over.
- A topic, as ``sanction``, says that somebody sees a risk, and not on which list an entity stands. No list is read.
- ``parent`` is its parent company, as in the older files that have it.

A Person is an id, a name and other names; nothing else of it is looked at. A LegalEntity may be a person, for the form
uses it where nobody knows: it is kept to names as well.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from policy.kyc.importing.ftm_entities import Entity
from policy.kyc.importing.values import country_of, distinct, period_of, text_of
from policy.kyc.statements import Statement
from policy.kyc.vocabulary import PartyKind

COMPANIES: Mapping[str, PartyKind] = MappingProxyType(
    {
        "Company": PartyKind.LEGAL_PERSON,
        "Organization": PartyKind.LEGAL_PERSON,
        "PublicBody": PartyKind.GOVERNMENT,
    }
)
NAMED: Mapping[str, PartyKind | None] = MappingProxyType({"Person": PartyKind.NATURAL_PERSON, "LegalEntity": None})
"""Of whom names are kept and nothing else, and what they are if that is known."""

_NO_COUNTRY = re.compile(r"[a-z]{4}|eu|zz|x-[a-z]{2}", re.ASCII)  # former countries of ISO 3166-3, unions, disputed
_COMPANYS_NUMBERS = {
    "leiCode": "lei",
    "registrationNumber": "registration number",
    "uscCode": "uscc",
    "ogrnCode": "ogrn",
    "dunsCode": "duns",
    "uniqueEntityId": "uei",
    "cikCode": "cik",
}
_PARTS = ("street", "street2", "postOfficeBox", "city", "postalCode", "region", "state")


def statements_of_names(
    entity: Entity, kind: PartyKind | None, aliases: tuple[str, ...] = ("alias",)
) -> Iterator[Statement]:
    """What it is, if that is known, its first name, and its others as aliases. Raises Unfit."""
    if kind:
        yield entity.says("kind", kind.value)
    name, *others = entity.texts("name") or [""]
    if name:
        yield entity.says("name", name)
    more = [text for each in aliases for text in entity.texts(each)]
    yield from (entity.says("alias", alias) for alias in distinct([*others, *more]) if alias != name)


def statements_of_company(entity: Entity) -> Iterator[Statement]:
    """What is said of a company beside its address entities. Raises Unfit."""
    yield from statements_of_names(entity, COMPANIES[entity.schema], ("alias", "previousName"))
    for name, register in _COMPANYS_NUMBERS.items():
        yield from (entity.says("identifier", number, register) for number in entity.texts(name))
    yield from (entity.says("registered_country", country) for country in _countries(entity, "jurisdiction"))
    yield from (entity.says("address", address) for address in entity.texts("address"))
    yield from (entity.says("line_of_business", sector) for sector in entity.texts("sector"))
    yield from (entity.says("parent", f"ftm:{parent}") for parent in entity.ids("parent") if parent != entity.id)
    yield from _life(entity)


def _life(entity: Entity) -> Iterator[Statement]:
    for text in entity.texts("incorporationDate"):
        first, after = period_of(text, "properties.incorporationDate")
        if (after - first).days == 1:
            yield entity.says("incorporated_on", first.isoformat())
    for text in entity.texts("dissolutionDate"):
        first, after = period_of(text, "properties.dissolutionDate")
        yield entity.says("dissolved_on", (first if (after - first).days == 1 else after).isoformat())


def statements_of_number(entity: Entity, holder: str) -> list[Statement]:
    """The number that an Identification gives of a holder. Raises Unfit."""
    detail = ", ".join(entity.texts("type")) or None
    return [entity.says_of(f"ftm:{holder}", "identifier", number, detail) for number in entity.texts("number")]


def statements_of_address(entity: Entity, company: str) -> list[Statement]:
    """That a company is at an Address. Raises Unfit."""
    parts = ", ".join(part for name in _PARTS for part in entity.texts(name))
    texts = entity.texts("full") or distinct([text_of(parts, "properties.full")])
    return [
        *(entity.says_of(f"ftm:{company}", "address", text) for text in texts),
        *(entity.says_of(f"ftm:{company}", "address_country", country) for country in _countries(entity, "country")),
    ]


def _countries(entity: Entity, name: str) -> list[str]:
    """The countries of a property. What is none today, as the Soviet Union, is a code of the form, and left out."""
    codes = [code for code in entity.texts(name) if not _NO_COUNTRY.fullmatch(code)]
    return distinct(country_of(code, f"properties.{name}") for code in codes)
