"""
What can be said about a tenant or a party: every predicate, whom it is about, and what its value is.

Only what this table names is kept. It has no place for a natural person's nationality, birthplace, language or origin
of a name: a natural person can be there as an owner, a director or an entry of a list, under an id and a name, and no
predicate about a place or a day may be said of one.

A tenant is an account, a party is who stands behind it. Both have opaque ids; a provider that keeps one record for
each account may use one id for the two.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

SELF = "self"
"""The subject itself: ``ultimate_parent self``, nobody above it; ``acts_for self``, for nobody else."""
DISPERSED = "dispersed"
"""As an owner: many small holders, none of whom is known to hold a twentieth or more."""
LONGEST_REFERENCES = 20_000
"""Characters of the entries that a party may be: some five hundred. A guess; a common name has dozens."""
MORE = "+"
"""Begins what stands for entries without room, or not compared by name: ``+12``. Nobody clears what is not named."""


class ValueKind(StrEnum):
    """What a value is, and how it is written."""

    PARTY = "party"  # an opaque id, or SELF where the predicate allows it
    COUNTRY = "country"  # ISO 3166-1 alpha-2 in capitals
    DAY = "day"  # as in 2026-07-23
    WORD = "word"  # one of the predicate's words
    TEXT = "text"  # any text on one line; may hold a name, so no log and no error repeats it


class Tenancy(StrEnum):
    """
    How machines are given, by how much is handed over.

    ``shared``: containers or virtual machines on machines that others use as well.
    """

    SHARED = "shared"
    DEDICATED = "dedicated"
    BARE_METAL = "bare_metal"
    COLOCATION = "colocation"
    CUSTOMER_OWNED = "customer_owned"


def most_handed_over(told: Iterable[str | None]) -> str | None:
    """
    Of several tenancies the one that hands over most; None: not known.

    ``told`` has None for machines or days of which nobody tells: beside these "shared" is not known of all.
    """
    words = list(told)
    most = max((each for each in words if each), key=[*map(str, Tenancy)].index, default=None)
    return None if most == Tenancy.SHARED and None in words else most


class PartyKind(StrEnum):
    """What a party is. ``branch``: part of another party, which it counts as."""

    LEGAL_PERSON = "legal_person"
    BRANCH = "branch"
    GOVERNMENT = "government"
    NATURAL_PERSON = "natural_person"


class AddressType(StrEnum):
    """What stands at an address."""

    OFFICE = "office"
    RESIDENTIAL = "residential"
    VIRTUAL_OFFICE = "virtual_office"
    MAIL_BOX = "mail_box"
    FREIGHT_FORWARDER = "freight_forwarder"
    DATA_CENTRE = "data_centre"


class Screened(StrEnum):
    """What a comparison with lists came to: no entry reached the threshold, or one did and nobody has decided yet."""

    NO_MATCH = "no_match"
    POSSIBLE = "possible"


class NumberFormat(StrEnum):
    """In which format a model's numbers are multiplied in training, as people call it."""

    BF16 = "bf16"
    FP16 = "fp16"
    TF32 = "tf32"
    FP32 = "fp32"
    FP8 = "fp8"
    FP6 = "fp6"
    FP4 = "fp4"


class Confidence(StrEnum):
    """
    How well a statement is known, the best first.

    ``official``: from a register that is kept by law. ``documented``: a document was seen. ``stated``: the party or a
    data vendor says so. ``unverified``: nobody has looked.
    """

    OFFICIAL = "official"
    DOCUMENTED = "documented"
    STATED = "stated"
    UNVERIFIED = "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """
    One thing that can be said.

    ``many``: several values may hold at once. ``shared``: it may carry a share in percent. ``details``: what ``detail``
    may say, where it is one of a few words; ``detail_is`` says what it is at all, empty where there is none;
    ``longest_detail``: how many characters it may have, where these are more than of other text.
    """

    about: str  # "tenant", "party" or "either"
    kind: ValueKind
    meaning: str
    words: tuple[str, ...] = ()
    many: bool = False
    shared: bool = False
    may_be_self: bool = False
    of_natural_persons: bool = False
    detail_is: str = ""
    details: tuple[str, ...] = ()
    longest_detail: int = 0


YES_NO = ("yes", "no")


def _tenant(kind: ValueKind, meaning: str, **more: object) -> Predicate:
    return Predicate(about="tenant", kind=kind, meaning=meaning, **more)  # type: ignore[arg-type]


def _party(kind: ValueKind, meaning: str, **more: object) -> Predicate:
    return Predicate(about="party", kind=kind, meaning=meaning, **more)  # type: ignore[arg-type]


PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        # The account.
        "customer": _tenant(
            ValueKind.PARTY, "the party behind the account; of a reseller's account its customers", many=True
        ),
        "reseller": _tenant(ValueKind.PARTY, "the party that resells the account's use to others", many=True),
        "tenancy": _tenant(ValueKind.WORD, "how machines are given", words=tuple(Tenancy), many=True),
        "declared_use": _tenant(ValueKind.TEXT, "what the tenant says that it does"),
        "declared_workload": _tenant(
            ValueKind.WORD,
            "what kind of work it says",
            words=("training", "inference", "training_and_inference", "other"),
        ),
        "declared_number_format": _tenant(
            ValueKind.WORD, "in which number format it says that it trains", words=tuple(NumberFormat)
        ),
        "payer": _tenant(ValueKind.PARTY, "who pays; self: the customer", many=True, may_be_self=True),
        "first_order_on": _tenant(ValueKind.DAY, "the day of the first order"),
        "end_use_scope": _tenant(ValueKind.TEXT, "what the end-use statement covers"),
        "end_use_signatory": _tenant(ValueKind.TEXT, "in what office it was signed, as chief executive; no name"),
        "end_use_signed_on": _tenant(ValueKind.DAY, "the day of the end-use statement"),
        "end_use_wmd": _tenant(ValueKind.WORD, "whether a weapon of mass destruction is the end use", words=YES_NO),
        "end_use_military_intelligence": _tenant(
            ValueKind.WORD, "whether military intelligence is the end use or end user", words=YES_NO
        ),
        # Either.
        "verified_on": Predicate(
            about="either", kind=ValueKind.DAY, meaning="the day on which the file was last verified"
        ),
        "acts_for": Predicate(
            about="either",
            kind=ValueKind.PARTY,
            meaning="for whom it acts; self: for nobody else",
            many=True,
            may_be_self=True,
        ),
        # The party.
        "kind": _party(ValueKind.WORD, "what the party is", words=tuple(PartyKind), of_natural_persons=True),
        "name": _party(ValueKind.TEXT, "its name", of_natural_persons=True),
        "alias": _party(ValueKind.TEXT, "another name of it", many=True, of_natural_persons=True),
        "identifier": _party(ValueKind.TEXT, "a register's number of it", many=True, detail_is="the register, as lei"),
        "registered_country": _party(ValueKind.COUNTRY, "where it is registered; never decides"),
        "headquarters_country": _party(ValueKind.COUNTRY, "where it is headquartered"),
        "principal_place_country": _party(ValueKind.COUNTRY, "where its principal place of business is"),
        "management_country": _party(ValueKind.COUNTRY, "from where it is managed"),
        "address": _party(
            ValueKind.TEXT, "an address of it", many=True, detail_is="what stands there", details=tuple(AddressType)
        ),
        "address_country": _party(ValueKind.COUNTRY, "the country of an address of it", many=True),
        "incorporated_on": _party(ValueKind.DAY, "the day of its incorporation"),
        "dissolved_on": _party(ValueKind.DAY, "the day from which on it is no more"),
        "line_of_business": _party(ValueKind.TEXT, "what it does"),
        "needs_accelerators": _party(
            ValueKind.WORD, "whether its line of business calls for accelerators, as a person judged", words=YES_NO
        ),
        "presence": _party(
            ValueKind.WORD, "what could be found about its business", words=("established", "little", "none")
        ),
        "same_as": _party(ValueKind.PARTY, "another id of the same party", many=True),
        # Relations between parties.
        "branch_of": _party(ValueKind.PARTY, "whose branch it is"),
        "parent": _party(ValueKind.PARTY, "who directly consolidates it", many=True, may_be_self=True),
        "ultimate_parent": _party(
            ValueKind.PARTY, "who stands above it and under nobody; self: the party", many=True, may_be_self=True
        ),
        "owned_by": _party(ValueKind.PARTY, "who holds a share of it; or the word dispersed", many=True, shared=True),
        "controlled_by": _party(
            ValueKind.PARTY, "who controls it other than by shares", many=True, detail_is="how, as board"
        ),
        "directed_by": _party(ValueKind.PARTY, "who is a director of it", many=True),
        "affiliate_of": _party(ValueKind.PARTY, "who is under common ownership or control with it", many=True),
        "successor": _party(ValueKind.PARTY, "who took over what it was", many=True),
        # Lists.
        "listed_on": _party(
            ValueKind.WORD,
            "which list has it, by its code in the facts, as somebody determined",
            many=True,
            of_natural_persons=True,
            detail_is="the entry of the list",
        ),
        "not_listed_as": _party(
            ValueKind.TEXT,
            "the entry of a list that it is not, as somebody determined",
            many=True,
            of_natural_persons=True,
            detail_is="why",
        ),
        "screened": _party(
            ValueKind.WORD,
            "what comparing it with lists came to",
            words=tuple(Screened),
            of_natural_persons=True,
            detail_is="the entries, by id, with spaces between; last +N for N more",
            longest_detail=LONGEST_REFERENCES,
        ),
    }
)
"""Every predicate. A change here is a change of what is kept about parties: a test holds the names."""

UPWARD = ("customer", "reseller", "acts_for", "branch_of", "parent", "ultimate_parent", "owned_by", "controlled_by",
          "directed_by", "affiliate_of", "successor", "payer")  # fmt: skip
"""The predicates that lead from a subject to a party that its answers may rest on."""
BACKWARD = ("successor", "directed_by")
"""Those that lead to a subject from others that its red flags may rest on: whom it succeeds, who shares a director."""
OF_SEAT: Mapping[str, str] = MappingProxyType(
    {
        "headquarters_country": "headquartered in",
        "principal_place_country": "principal place of business in",
        "management_country": "managed from",
    }
)
"""What is evidence of where a party is headquartered, each by itself, with the words before a country."""
OF_LISTS = ("listed_on", "not_listed_as", "screened")
"""What lists say of a party."""
OF_LISTING = (*OF_LISTS, "branch_of")
"""What decides whether a party is on a list: it is as listed as whose branch it is."""
