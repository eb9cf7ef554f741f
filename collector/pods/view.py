"""
What a collector knows of the pods of its node at one moment. Frozen, and free of the Kubernetes client.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from collector.pods.facts import PodFacts, PodKey
from collector.pods.troubles import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """The pods are as they were at ``since_unix_seconds``, when the API server was last heard; and why."""

    since_unix_seconds: float
    reason: Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """
    The pods of this node by namespace and name; it never changes.

    ``stale`` is None while the watch is open. Otherwise a pod that is not in ``pods`` is unknown, not absent.
    """

    pods: Mapping[PodKey, PodFacts]
    stale: Stale | None

    @property
    def synced(self) -> bool:
        """Whether a pod that is not here does not exist, as far as the API server knows."""
        return self.stale is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCounters:
    """What the API server was asked: requests by kind, watches opened anew by reason, lists after the first."""

    requests: Mapping[str, int]
    watch_restarts: Mapping[str, int]
    relists: int
