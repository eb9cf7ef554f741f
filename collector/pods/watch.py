"""
The pods of this node and the tenant that each one's namespace claims, kept up to date by one watch.

One list, then one watch that is scoped to the node; while nothing changes but pods there is no other request. Three
more things are asked for:

- a namespace's labels (its metadata only), when its first pod is seen here;
- the same, for every namespace with pods here, whenever the watch is opened anew. The server ends a watch after 30 to
  60 minutes, a time that is drawn for each watch, so a changed label is noticed after an hour at the latest;
- the labels that could not be read for a passing reason: again at the next sign of life, a bookmark each minute.

Resource versions (Kubernetes, reference/using-api/api-concepts): the first list takes any version ("0"), which the API
server has in memory; it may be old, and the watch from there brings it up to date. A broken watch goes on from the last
version heard. Once that is too old (410) the next list must be no older than it, since an old answer would bring back
pods that were seen to go; only if that fails too it asks for the newest, which can cost the API server a read of all
pods in etcd.

When the API server does not tell, the known pods stay known and the view says since when and why it is stale: what came
since is unknown, which is not the same as nobody.
"""

import logging
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from collector.clock import Clock
from collector.pods.apiserver import ApiServer, Stream
from collector.pods.book import PodBook
from collector.pods.claims import Adapter
from collector.pods.facts import Garbled, PodFacts, labels_of, namespace_of, pod_facts, pods_in, read_json, version_of
from collector.pods.namespaces import Namespaces
from collector.pods.pace import PACE, Pace
from collector.pods.troubles import Refused, Trouble, refusal
from collector.pods.view import ApiCounters, NodeView, Stale
from collector.readings import Absent

log = logging.getLogger("flopwatch.collector")

PODS = "/api/v1/pods"
ANY_VERSION = "0"
NEWEST_VERSION = ""
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
LIST_AGAIN = frozenset({Trouble.EXPIRED, Trouble.GARBLED})
"""After these the watch cannot go on from where it was."""
JOIN_SECONDS = 0.05  # between two attempts to interrupt a stream that may just have been opened
NANOSECONDS = 1_000_000_000


class NodePods:
    """
    Watches the pods of one node in a thread of its own, from :meth:`start` to :meth:`stop`.

    ``api`` belongs to it from then on. ``site_key``: for claims that are names, see collector/pods/claims.py.
    ``resources``: how the names of those begin whose devices count as GPUs in containers' limits.
    """

    def __init__(
        self,
        api: ApiServer,
        *,
        node: str,
        adapters: Sequence[Adapter],
        site_key: bytes | Absent,
        clock: Clock,
        pace: Pace = PACE,
        resources: tuple[str, ...] = (),
    ) -> None:
        self._api = api
        self._node = node
        self._clock = clock
        self._pace = pace
        self._resources = resources
        self._book = PodBook(round(pace.deleted_kept * NANOSECONDS))
        self._labels = frozenset(label for adapter in adapters for label in adapter.labels)
        self._namespaces = Namespaces(self._labels_of, adapters, site_key)
        self._heard_version = ""  # empty: list before watching
        self._list_from = ANY_VERSION
        self._heard_unix = clock.unix_seconds()
        self._failures = 0
        self._namespaces_due = True
        self._lists = 0
        self._requests = dict.fromkeys(("list", "watch", "namespace"), 0)
        self._restarts = dict.fromkeys((trouble.value for trouble in Trouble), 0)
        self._view = NodeView(
            pods=self._book.snapshot(), stale=Stale(since_unix_seconds=self._heard_unix, reason=Trouble.STARTING)
        )
        self._stop = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name="pods", daemon=True)

    def start(self) -> None:
        """Begin to watch; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """
        End the watch and wait for its thread.

        An answer under way is waited for, which takes the time-outs of collector/pods/apiserver.py at most.
        """
        self._stop.set()
        while self._thread.is_alive():
            if self._stream is not None:
                self._stream.interrupt()
            self._thread.join(JOIN_SECONDS)

    def pods(self) -> NodeView:
        """The pods as they are known now, and whether that is up to date. From memory."""
        return self._view

    def counters(self) -> ApiCounters:
        """What was asked since the start."""
        return ApiCounters(
            requests=dict(self._requests), watch_restarts=dict(self._restarts), relists=max(0, self._lists - 1)
        )

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                refused = self._watch_once()
                if not self._stop.is_set():
                    self._restarts[refused.trouble] += 1
                    self._stop.wait(self._wait_seconds(refused))
        finally:  # whether told to stop or broken down: nobody keeps the pods up to date any longer
            self._go_stale(Trouble.ENDED)
            self._api.close()

    def _watch_once(self) -> Refused:
        """List if need be, then follow the watch to its end; says how it ended."""
        try:
            if not self._heard_version:
                self._list()
            self._read_namespaces()
            self._follow()
            refused = Refused(Trouble.SERVER_CLOSED)
        except Garbled as garbled:
            log.warning("pods.garbled problem=%r", str(garbled))
            refused = Refused(Trouble.GARBLED)
        except Refused as error:
            refused = error
        if refused.trouble in LIST_AGAIN:
            self._heard_version = ""
        if not self._stop.is_set() and not self._is_in_order(refused):
            self._go_stale(refused.trouble)
        return refused

    def _is_in_order(self, refused: Refused) -> bool:
        """Whether a watch's time was up and nothing else; not if one after the other ends without a word."""
        return refused.trouble is Trouble.SERVER_CLOSED and not self._failures

    def _wait_seconds(self, refused: Refused) -> float:
        """A watch whose time is up is opened anew at once."""
        in_order = self._is_in_order(refused)
        failures, self._failures = self._failures, self._failures + 1
        if in_order:
            return 0.0
        return self._pace.wait_seconds(failures, refused.retry_after_seconds, _draw())

    def _list(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={self._node}"}
        if self._list_from:
            query["resourceVersion"] = self._list_from
        self._requests["list"] += 1
        try:
            answer = read_json(self._api.get(PODS, query), resources=self._resources)
        except Refused as refused:
            if refused.trouble in (Trouble.EXPIRED, Trouble.TIMED_OUT):
                self._list_from = NEWEST_VERSION
            raise
        self._book.replace_all(map(self._facts, pods_in(answer)), self._clock.elapsed_ns())
        self._heard_version = self._list_from = version_of(answer)
        self._namespaces_due = True
        self._lists += 1
        self._heard()
        self._publish()

    def _read_namespaces(self) -> None:
        """All of them after a list or a watch; while no watch can be opened, only those that are put off."""
        due, self._namespaces_due = self._namespaces_due, False
        self._learn(self._namespaces.renew(self._book.namespaces()) if due else self._namespaces.retry())

    def _follow(self) -> None:
        query = {
            "fieldSelector": f"spec.nodeName={self._node}",
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._heard_version,
            "timeoutSeconds": str(self._pace.watch_seconds(_draw())),
        }
        self._requests["watch"] += 1
        self._stream = stream = self._api.stream(PODS, query, silence_seconds=self._pace.silence)
        self._namespaces_due = True
        opened_ns = self._clock.elapsed_ns()
        try:
            self._heard()
            self._go_fresh()
            for line in stream.lines():
                if self._stop.is_set():
                    return
                self._heard()
                self._failures = 0
                self._take(read_json(line, resources=self._resources))
        finally:
            if self._clock.elapsed_ns() - opened_ns > self._pace.longest_wait * NANOSECONDS:
                self._failures = 0  # it stayed open, even if there was nothing to say
            self._stream = None
            stream.close()

    def _take(self, event: Mapping[str, Any]) -> None:
        """One event of the watch."""
        kind, thing = event.get("type"), event.get("object")
        if not isinstance(thing, dict):
            raise Garbled("an event without object")
        match kind:
            case "ADDED" | "MODIFIED":
                self._book.put(self._facts_of_met(thing))
            case "DELETED":
                self._book.delete(self._facts(thing), self._clock.elapsed_ns())
            case "BOOKMARK":
                self._learn(self._namespaces.retry())
            case "ERROR":
                raise refusal(thing.get("code"))
            case _:
                raise Garbled("an event of no known type")
        self._heard_version = self._list_from = version_of(thing)
        forgotten = self._book.forget_deleted(self._clock.elapsed_ns())
        if kind != "BOOKMARK" or forgotten:
            self._publish()

    def _facts(self, pod: Mapping[str, Any]) -> PodFacts:
        return pod_facts(pod, self._namespaces.known_claim(namespace_of(pod)))

    def _facts_of_met(self, pod: Mapping[str, Any]) -> PodFacts:
        """The same; the labels of a namespace that has no pod here yet are read."""
        namespace = namespace_of(pod)
        if not self._book.is_met(namespace):
            self._namespaces.forget(namespace)
        return pod_facts(pod, self._namespaces.claim(namespace))

    def _labels_of(self, namespace: str) -> Mapping[str, str]:
        self._requests["namespace"] += 1
        text = self._api.get(f"/api/v1/namespaces/{quote(namespace, safe='')}", {}, accept=METADATA_ONLY)
        try:
            return labels_of(read_json(text, self._labels))
        except Garbled:
            raise Refused(Trouble.GARBLED) from None

    def _learn(self, claims: Mapping[str, str | Absent]) -> None:
        for namespace, tenant_id in claims.items():
            self._book.claim(namespace, tenant_id)
        if claims:
            self._publish()

    def _heard(self) -> None:
        self._heard_unix = self._clock.unix_seconds()

    def _publish(self) -> None:
        self._view = replace(self._view, pods=self._book.snapshot())

    def _go_fresh(self) -> None:
        if self._view.stale:
            log.info("pods.synced pods=%d", len(self._view.pods))
        self._view = replace(self._view, stale=None)

    def _go_stale(self, trouble: Trouble) -> None:
        if self._view.stale is None or self._view.stale.reason is not trouble:
            level = logging.INFO if trouble is Trouble.ENDED else logging.WARNING
            log.log(level, "pods.stale reason=%s", trouble.value)
        self._view = replace(self._view, stale=Stale(since_unix_seconds=self._heard_unix, reason=trouble))


def _draw() -> float:
    # Spreads requests over time; nothing secret comes of it.
    return random.random()  # noqa: S311
