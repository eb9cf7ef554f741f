"""
What the namespaces of this node's pods claim: each read once when it is met, and again when it is asked for.

A claim that was read stays until it is read anew, or until no pod of its namespace is left: a namespace that is being
deleted still says whose its last pods are. Only claims are kept, no labels.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from collector.pods.claims import Adapter, tenant_claim
from collector.pods.troubles import Refused, Trouble
from collector.readings import Absent, Why

ABOUT_THE_NAMESPACE = frozenset({Trouble.FORBIDDEN, Trouble.NOT_FOUND})
"""Troubles that asking again soon would not mend; all others say that the API server has a bad time."""

UNREAD = (None, Absent(Why.NO_PERMISSION), Absent(Why.NAMESPACE_UNKNOWN))
"""What stands in the place of a claim that was never read."""


class Namespaces:
    """
    Claims by namespace. ``read_labels`` asks the API server and raises :class:`Refused`.

    A namespace that could not be read claims ``Absent(NO_PERMISSION)`` where that was the reason, else
    ``Absent(NAMESPACE_UNKNOWN)``.
    """

    def __init__(
        self,
        read_labels: Callable[[str], Mapping[str, str]],
        adapters: Sequence[Adapter],
        site_key: bytes | Absent,
    ) -> None:
        self._read_labels = read_labels
        self._adapters = adapters
        self._site_key = site_key
        self._claims: dict[str, str | Absent] = {}
        self._unread: set[str] = set()

    def claim(self, namespace: str) -> str | Absent:
        """What it claims; it is read if it was not met before."""
        if namespace not in self._claims:
            self._read(namespace)
        return self._claims[namespace]

    def known_claim(self, namespace: str) -> str | Absent:
        """What it claims as far as is known without asking."""
        return self._claims.get(namespace, Absent(Why.NAMESPACE_UNKNOWN))

    def forget(self, namespace: str) -> None:
        """Read it anew when it is met again: it may be another one of the same name."""
        self._claims.pop(namespace, None)

    def renew(self, namespaces: Collection[str]) -> dict[str, str | Absent]:
        """Read exactly these anew and forget all others. When the API server has a bad time the rest is put off."""
        self._claims = {each: claim for each, claim in self._claims.items() if each in namespaces}
        self._unread = set(namespaces)
        return self.retry()

    def retry(self) -> dict[str, str | Absent]:
        """Read those that are put off; the claims of those that were asked for."""
        asked: dict[str, str | Absent] = {}
        for namespace in sorted(self._unread):
            go_on = self._read(namespace)
            asked[namespace] = self._claims[namespace]
            if not go_on:
                break
        return asked

    def _read(self, namespace: str) -> bool:
        """Whether the API server answered, be it with a refusal."""
        try:
            found = tenant_claim(self._read_labels(namespace), self._adapters, self._site_key)
        except Refused as refused:
            if self._claims.get(namespace) in UNREAD:
                denied = refused.trouble is Trouble.FORBIDDEN
                self._claims[namespace] = Absent(Why.NO_PERMISSION if denied else Why.NAMESPACE_UNKNOWN)
            answered = refused.trouble in ABOUT_THE_NAMESPACE
            (self._unread.discard if answered else self._unread.add)(namespace)
            return answered
        self._claims[namespace] = found
        self._unread.discard(namespace)
        return True
