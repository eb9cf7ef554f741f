"""
Finds the collectors of a Kubernetes cluster: every cycle anew, for a pod's address is its own only as long as it lives.

A node is the target, whatever pod its collector runs in. A node without a pod stays in view: it leaves only when the
API server says that it is not in the cluster. While the API server does not tell, nobody leaves, and collectors are
asked where they were last. The list itself is a target too, so that ledger, log and status say when it was not had.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from policy.frames import empty
from policy.usage.counters import COUNTERS
from policy.usage.sources.apiserver import AT_ONCE, ApiServer, NotTold
from policy.usage.sources.pods import PREFIX, SELECTOR, by_node, no_collector, target_of
from policy.usage.sources.target import Found, Heard, Target, TargetState, Unusable, unheard

SCHEME = "kubernetes:"
WITHOUT_POD = "the node is in the cluster and no pod of the collector is on it"

log = logging.getLogger("flopwatch.discovery")

Places = dict[str, Target | Heard]
"""Whom to ask on each node, or why nobody."""


@dataclass(slots=True, kw_only=True)
class Discovery:
    """The collectors of one namespace. Remembers where they were when the API server last told."""

    namespace: str
    asking: Callable[[], AbstractContextManager[ApiServer]]
    _last: Places = field(default_factory=dict)

    def __call__(self, known: Collection[str]) -> Found:
        """Everybody to be heard in this cycle. Never raises for what the API server does."""
        nodes = self._last.keys() | {each.removeprefix(PREFIX) for each in known if each.startswith(PREFIX)}
        try:
            with self.asking() as server:
                with_pod = by_node(server.pods(self.namespace))
                without, trouble = _without_pod(server, sorted(nodes - with_pod.keys()))
        except NotTold as problem:
            return self._found(self._as_last_told(nodes), self._untold(str(problem)))
        self._last = with_pod | without
        return self._found(self._last, self._untold(trouble) if trouble else self._told(empty_list=not with_pod))

    def _as_last_told(self, nodes: Iterable[str]) -> Places:
        why = Unusable(TargetState.UNDISCOVERED, "the API server does not tell where its collector is")
        known = {node: self._last.get(node) for node in nodes}
        return {
            node: place if isinstance(place, Target) else unheard(target_of(node), why) for node, place in known.items()
        }

    def _found(self, places: Places, about_the_list: Heard) -> Found:
        inorder = [place for _, place in sorted(places.items())]
        unheard_of = [each for each in inorder if isinstance(each, Heard)]
        return Found(
            targets=[each for each in inorder if isinstance(each, Target)], unheard=[about_the_list, *unheard_of]
        )

    @property
    def _name(self) -> str:
        return f"{SCHEME}{self.namespace}"

    def _told(self, *, empty_list: bool) -> Heard:
        if empty_list:
            detail = f"no pod in the namespace {self.namespace} has the label {SELECTOR}"
            return unheard(self._name, Unusable(TargetState.NO_COLLECTOR, detail))
        return Heard(target=self._name, state=TargetState.OK, detail="", node=None, counters=empty(COUNTERS))

    def _untold(self, trouble: str) -> Heard:
        return unheard(self._name, Unusable(TargetState.UNDISCOVERED, trouble))


def _without_pod(server: ApiServer, nodes: Collection[str]) -> tuple[Places, str]:
    """
    Those of these nodes that have not left the cluster, and why that is not known of all of them.

    After the first refusal no more are asked: in a large cluster each would be waited for.
    """
    troubles: list[str] = []

    def still_there(node: str) -> Heard | None:
        try:
            if troubles:
                raise NotTold(troubles[0])
            return no_collector(node, WITHOUT_POD) if server.has_node(node) else None
        except NotTold as problem:
            troubles.append(str(problem))
            return no_collector(
                node, f"no pod of the collector is on it, and whether it is there is not told: {problem}"
            )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(nodes, pool.map(still_there, nodes), strict=True))
    for node in (node for node, answer in answers.items() if answer is None):
        log.warning("discovery.left target=%s", target_of(node))
    return {node: answer for node, answer in answers.items() if answer}, next(iter(troubles), "")
