"""
What the provider knows of its tenants and of itself: the registers, as they stand at one moment.
"""

from dataclasses import dataclass, field

from policy.facts.facts import Facts
from policy.kyc.directory import Directory
from policy.kyc.dossiers import Dossiers
from policy.kyc.registers.allocations import NO_ALLOCATIONS, Allocations
from policy.kyc.registers.mapping_rules import MappingRule
from policy.kyc.registers.provider import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """Every register as read. Of one that the provider does not keep nothing is known: it is empty."""

    directory: Directory = field(default_factory=lambda: Directory.of(()))
    mappings: tuple[MappingRule, ...] = ()
    allocations: Allocations = NO_ALLOCATIONS
    provider: Provider = field(default_factory=Provider)

    def cluster_of(self, node: str) -> str | None:
        """The cluster of a node, or None where that is not known."""
        return self.provider.place_of(node).cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """The registers, with every question about a tenant answered by some facts."""

    registers: Registers
    dossiers: Dossiers

    @classmethod
    def of(cls, registers: Registers, facts: Facts, earlier: "Customers | None" = None) -> "Customers":
        """The customers of these registers by these facts. ``earlier``: whose answers may still hold."""
        if earlier is not None and earlier.registers.directory is registers.directory:
            return cls(registers=registers, dossiers=earlier.dossiers)
        before = earlier.dossiers if earlier else None
        return cls(registers=registers, dossiers=Dossiers.of(registers.directory, facts, before))
