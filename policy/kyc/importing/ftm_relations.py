"""
Relations between FollowTheMoney entities: each of a few schemata leads from one party to another.

What is believed:

- An Ownership is a share of the asset, of the size that it states, however it is held: as direct, indirect or
  beneficial. A source that lists an indirect share beside the direct ones of its chain counts it twice.
- A Directorship makes a director. A Control is control by another way than shares, and says which.
- Where several parties stand on one side, the relation is between each two of them. A period is taken as widely as
  its dates allow: ``2021`` begins on its first day, and as an end it ends after its last.

Left out, and counted: a Representation, which does not say in what matter one acts for another; a Membership, an
Employment, a Family, an Associate and an UnknownLink, which are neither ownership nor control.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from types import MappingProxyType

from policy.kyc.importing.ftm_entities import Entity
from policy.kyc.importing.shares import share_range
from policy.kyc.importing.values import Unfit, period_of
from policy.kyc.statements import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a schema says: of the party under one property, a predicate whose value is the party under the other."""

    about: str
    leads_to: str
    predicate: str
    detail: str = ""  # the property that tells how
    share: str = ""  # the property that tells how much


RELATIONS: Mapping[str, Relation] = MappingProxyType(
    {
        "Ownership": Relation(about="asset", leads_to="owner", predicate="owned_by", share="percentage"),
        "Directorship": Relation(about="organization", leads_to="director", predicate="directed_by"),
        "Control": Relation(about="controlled", leads_to="controller", predicate="controlled_by", detail="controlType"),
        "Succession": Relation(about="predecessor", leads_to="successor", predicate="successor"),
    }
)
"""The schemata that are read as relations."""


def ends_of(entity: Entity) -> tuple[list[str], list[str]]:
    """The ids of whom a relation is about and of whom it leads to. Raises Unfit where one of them is missing."""
    relation = RELATIONS[entity.schema]
    about, leads_to = entity.ids(relation.about), entity.ids(relation.leads_to)
    for name, ids in ((relation.about, about), (relation.leads_to, leads_to)):
        if not ids:
            raise Unfit(f"properties.{name}", "nobody is named", "the id of an entity")
    if set(about) & set(leads_to):
        raise Unfit(f"properties.{relation.leads_to}", "the party itself", "the id of another entity")
    return about, leads_to


def statements_of_relation(entity: Entity) -> list[Statement]:
    """What a relation says. Raises Unfit."""
    relation = RELATIONS[entity.schema]
    detail = ", ".join(entity.texts(relation.detail)) if relation.detail else ""
    share = share_range(entity.texts(relation.share)) if relation.share else (None, None)
    is_for_good = entity.schema == "Succession"  # that one took over does not end
    period = (None, None) if is_for_good else _period(entity)
    return [
        entity.says_of(f"ftm:{below}", relation.predicate, f"ftm:{above}", detail or None, share=share, period=period)
        for below, above in product(*ends_of(entity))
    ]


def _period(entity: Entity) -> tuple[date | None, date | None]:
    """From the earliest start to the latest end that the dates allow."""
    return (
        min((first for first, _ in _dates(entity, "startDate")), default=None),
        max((after for _, after in _dates(entity, "endDate")), default=None),
    )


def _dates(entity: Entity, name: str) -> Iterable[tuple[date, date]]:
    return [period_of(text, f"properties.{name}") for text in entity.texts(name)]
