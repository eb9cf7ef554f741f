"""
FollowTheMoney entities, one JSON object a line, as of OpenSanctions, Aleph or a register that is kept in this form.

The subject is ``ftm:`` and the entity's id. Everything is ``stated``: a data vendor says so. The source is
``followthemoney`` and the entity's datasets, the day that of its last change.

Rows hang together: whether a number, an address or a relation may be kept depends on who its party is, which another
row of the file says. What may be a natural person's is not kept: an Address and an Identification are taken for a
company of the same file only. Whom any row calls a Person is one in all of them.

A dump holds much of which nothing is kept: a row of a schema that is not read here, an address or a number of no
company, a relation about what is no party, as the owner of a ship. It is accepted, says nothing, and is counted by what
it is: a problem it is not, and one in every dump would hide the others.

What is believed of parties stands in :mod:`policy.kyc.importing.ftm_parties`, of relations between them in
:mod:`policy.kyc.importing.ftm_relations`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date

from policy.kyc.importing.files import beginning, packed_lines
from policy.kyc.importing.ftm_entities import Entity, entity_of
from policy.kyc.importing.ftm_parties import (
    COMPANIES,
    NAMED,
    statements_of_address,
    statements_of_company,
    statements_of_names,
    statements_of_number,
)
from policy.kyc.importing.ftm_relations import RELATIONS, ends_of, statements_of_relation
from policy.kyc.importing.problems import Read, Rows, Unreadable
from policy.kyc.importing.values import Unfit, row_of
from policy.kyc.repeated import NOT_REPEATED
from policy.kyc.statements import Statement
from policy.kyc.written import Broken

_OTHERS = (
    "Airplane", "Article", "Assessment", "Asset", "Associate", "Audio", "BankAccount", "Call", "CallForTenders",
    "Contract", "ContractAward", "CourtCase", "CourtCaseParty", "CryptoWallet", "Debt", "Document", "Documentation",
    "EconomicActivity", "Email", "Employment", "Event", "Family", "Folder", "HyperText", "Image", "License",
    "Membership", "Mention", "Message", "Note", "Occupancy", "Package", "Page", "Pages", "Passport", "Payment",
    "PlainText", "Position", "Project", "ProjectParticipant", "RealEstate", "Representation", "Risk", "Sanction",
    "Security", "Similar", "Table", "TaxRoll", "Territory", "Trip", "UnknownLink", "UserAccount", "Vehicle",
    "Vessel", "Video", "Workbook",
)  # fmt: skip
"""Other schemata of FollowTheMoney 4, which a count may name."""
UNKNOWN_SCHEMA = "a schema that is not known here"


def read_followthemoney(file: str, content: bytes, *, today: date | None = None) -> Read:
    """
    What a file of entities says, one in a line, plain or packed. ``file``: its name, for problems.

    ``today``: the last day as of which it may speak; without it any.
    """
    rows = Rows(file)
    try:
        _File(rows, today).read(content)
    except Broken as broken:
        rows.spoil_file(*broken.said)
    except Unreadable:
        pass
    return rows.read()


def is_followthemoney(content: bytes) -> bool:
    """Whether a file looks like entities: its first line is one."""
    first = beginning(content).lstrip().partition("\n")[0]
    return first.startswith("{") and all(f'"{key}"' in first for key in ("id", "schema", "properties"))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row that is kept, or not, by what other rows say of these entities."""

    line: int
    column: str
    ids: Collection[str]
    is_about: bool = True  # that the row says something of them, and does not only lead to them


@dataclass(slots=True)
class _File:
    """The file while it is read: who is what by any row, and the rows that wait for it."""

    rows: Rows
    today: date | None
    companies: dict[str, list[int]] = field(default_factory=dict)  # the lines that say so
    persons: set[str] = field(default_factory=set)
    things: set[str] = field(default_factory=set)  # what is no party
    relations: list[_Waiting] = field(default_factory=list)
    numbers: list[_Waiting] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    addresses: list[tuple[int, Entity]] = field(default_factory=list)
    companies_at: dict[str, list[str]] = field(default_factory=dict)  # by the address entity

    def read(self, content: bytes) -> None:
        """Read every line, and then settle what had to wait. Raises Broken, Unreadable."""
        line = 0
        for line, text in packed_lines(content):
            with row_of(self.rows, line, self.today) as said:
                entity = entity_of(text)
                said += _HOW.get(entity.schema, _File._other)(self, line, entity)
        if not line:
            self.rows.stop(1, "has no entity in it, as a copy that was broken off", "one entity at least")
        for line, what in self.left_out.items():
            self.rows.leave_out(line, what)
        self._settle_companies()
        self._settle_relations()
        self._settle_numbers()
        self._settle_addresses()

    def _company(self, line: int, entity: Entity) -> Iterable[Statement]:
        self.companies.setdefault(entity.id, []).append(line)
        for address in entity.ids("addressEntity"):
            self.companies_at.setdefault(address, []).append(entity.id)
        return statements_of_company(entity)

    def _named(self, _: int, entity: Entity) -> Iterable[Statement]:
        if entity.schema == "Person":
            self.persons.add(entity.id)
        return statements_of_names(entity, NAMED[entity.schema])

    def _relation(self, line: int, entity: Entity) -> Iterable[Statement]:
        relation = RELATIONS[entity.schema]
        about, leads_to = ends_of(entity)
        self.relations.append(_Waiting(line, f"properties.{relation.about}", about))
        self.relations.append(_Waiting(line, f"properties.{relation.leads_to}", leads_to, is_about=False))
        return statements_of_relation(entity)

    def _number(self, line: int, entity: Entity) -> Iterable[Statement]:
        holders = entity.ids("holder")
        self.numbers.append(_Waiting(line, "properties.holder", holders))
        return [each for holder in holders for each in statements_of_number(entity, holder)]

    def _address(self, line: int, entity: Entity) -> Iterable[Statement]:
        self.things.add(entity.id)
        self.addresses.append((line, entity))
        return ()

    def _other(self, line: int, entity: Entity) -> Iterable[Statement]:
        self.things.add(entity.id)
        self.left_out[line] = entity.schema if entity.schema in _OTHERS else UNKNOWN_SCHEMA
        return ()

    def _settle_companies(self) -> None:
        """Whom another row calls a person is none: what says more than a name of it is not kept."""
        for each in self.persons & self.companies.keys():
            for line in self.companies[each]:
                self._reject(line, "schema", "another row calls the same entity a Person", "one schema of one entity")
            del self.companies[each]

    def _settle_relations(self) -> None:
        for each in self.relations:
            if each.is_about and not self.persons.isdisjoint(each.ids):
                self._reject(each.line, each.column, "a natural person, of whom no relation is kept", "a company")
            elif each.is_about and not self.things.isdisjoint(each.ids):
                self.rows.leave_out(each.line, "a relation about what is no party")
            elif not self.things.isdisjoint(each.ids):
                self._reject(each.line, each.column, "an entity that is no party", "a company or person")

    def _settle_numbers(self) -> None:
        for each in self.numbers:
            if not each.ids:
                self._reject(each.line, each.column, "nobody is named", "the id of an entity")
            elif not self.companies.keys() >= set(each.ids):
                self.rows.leave_out(each.line, "Identification that may be a person's")

    def _settle_addresses(self) -> None:
        for line, entity in self.addresses:
            companies = [each for each in self.companies_at.get(entity.id, ()) if each in self.companies]
            if not companies:
                self.rows.leave_out(line, "Address that may be a person's")
                continue
            try:
                said = [each for company in companies for each in statements_of_address(entity, company)]
                self.rows.give(line, said)
            except Unfit as unfit:
                self._reject(line, unfit.column, unfit.problem, unfit.expected)

    def _reject(self, line: int, column: str, problem: str, expected: str) -> None:
        self.rows.note(line, column, NOT_REPEATED, problem, expected)


_HOW: dict[str, Callable[[_File, int, Entity], Iterable[Statement]]] = {
    **dict.fromkeys(COMPANIES, _File._company),
    **dict.fromkeys(NAMED, _File._named),
    **dict.fromkeys(RELATIONS, _File._relation),
    "Identification": _File._number,
    "Address": _File._address,
}
