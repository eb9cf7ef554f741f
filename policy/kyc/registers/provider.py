"""
The provider's own register: its entities, its sites, its clusters' nodes, and how its hardware was classified.

A node belongs to the cluster whose patterns match its name; where two do, nobody guesses, and the place is not known.
Without a register everything is unknown, which takes no question away.

Left out: what was so on earlier days. The register says what is so now; ``as_of`` and ``classified_on`` tell since when
somebody stands by it.
"""

import re
from dataclasses import dataclass
from datetime import date
from fnmatch import translate
from functools import cached_property

from policy.facts.evidence import Answer, Layer
from policy.kyc.reply import any_of
from policy.kyc.vocabulary import Tenancy


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A legal person of the provider's. ``headquarters_country``: alpha-2, or ``unknown``."""

    id: str
    headquarters_country: str
    us_person: Answer
    source: str
    as_of: date
    layer: Layer
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where machines stand, and whose it is. ``country``: alpha-2."""

    id: str
    country: str
    entity: str
    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Nodes by patterns of their names, as ``gpu-a-*``, who runs them, and how they are given unless told otherwise."""

    id: str
    site: str
    entity: str
    nodes: tuple[str, ...]
    layer: Layer
    tenancy: Tenancy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """How some hardware was classified, by whom, on what basis. All that is given has to fit: name, node, serial."""

    eccn: str
    classified_by: str
    basis: str
    classified_on: date
    layer: Layer
    accelerator: str = ""
    nodes: tuple[str, ...] = ()
    serials: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        parts = (
            self.accelerator,
            *(f"node {each}" for each in self.nodes),
            *(f"serial {each}" for each in self.serials),
        )
        return ", ".join(filter(None, parts))

    def is_on(self, node: str) -> bool:
        """Whether its patterns of nodes match this one."""
        return any(re.match(translate(pattern), node) for pattern in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    Where a node stands. None: not known. ``us_person``: of who runs the cluster and whose site it is, together.

    ``tenancy``: how the cluster's machines are given unless the tenant's file says otherwise. ``reason``: a sentence
    without its full stop.
    """

    cluster: str | None
    site: str | None
    country: str | None
    entity: str | None
    us_person: Answer
    tenancy: Tenancy | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The register. ``digest``: SHA-256, in hex, of the file's bytes; empty where there is none."""

    entity: tuple[Entity, ...] = ()
    site: tuple[Site, ...] = ()
    cluster: tuple[Cluster, ...] = ()
    hardware: tuple[Hardware, ...] = ()
    digest: str = ""

    def place_of(self, node: str) -> Place:
        """Where a node stands, by its name."""
        clusters = self._clusters_of(node)
        if len(clusters) == 1:
            return self._place(clusters[0])
        if clusters:
            return _nowhere(f"the node is in {len(clusters)} clusters: {', '.join(each.id for each in clusters)}")
        return _nowhere(
            "the node is in no cluster of the provider register" if self.cluster else "nothing is known of it"
        )

    def _place(self, cluster: Cluster) -> Place:
        site = self._sites[cluster.site]
        return Place(
            cluster=cluster.id,
            site=site.id,
            country=site.country,
            entity=cluster.entity,
            us_person=any_of(*(self._entities[each].us_person for each in (cluster.entity, site.entity))),
            tenancy=cluster.tenancy,
            reason=f"cluster {cluster.id} of {cluster.entity}, at site {site.id} of {site.entity} in {site.country}",
        )

    def _clusters_of(self, node: str) -> list[Cluster]:
        return [cluster for cluster, patterns in self._patterns if any(each.match(node) for each in patterns)]

    @cached_property
    def _patterns(self) -> list[tuple[Cluster, list[re.Pattern[str]]]]:
        return [(each, [re.compile(translate(pattern)) for pattern in each.nodes]) for each in self.cluster]

    @cached_property
    def _sites(self) -> dict[str, Site]:
        return {each.id: each for each in self.site}

    @cached_property
    def _entities(self) -> dict[str, Entity]:
        return {each.id: each for each in self.entity}


def _nowhere(reason: str) -> Place:
    return Place(
        cluster=None, site=None, country=None, entity=None, us_person=Answer.UNKNOWN, tenancy=None, reason=reason
    )
