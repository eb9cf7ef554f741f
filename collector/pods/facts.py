"""
What is kept of a pod, and the reading of the API server's JSON into it. Pure.

A pod's JSON holds what is none of our business: images, arguments, environment, volumes. The parser drops every key
that is not on the list below while it reads, so that none of it ever becomes part of an object here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from collector.pods.workloads import ANNOTATIONS, LABELS, Workload, workload_of
from collector.readings import Absent

PodKey = tuple[str, str]
"""Namespace and name: what the kubelet calls a pod by. A pod that was made anew has the same key and another UID."""

_KEPT = frozenset(
    {
        *("type", "object", "code"),  # an event of a watch, and the code of the status in an ERROR event
        *("metadata", "items", "resourceVersion", "namespace", "name", "uid", "labels", "annotations"),
        *("ownerReferences", "apiVersion", "kind", "controller"),
        *("spec", "initContainers", "containers", "restartPolicy", "resources", "limits"),
        *("status", "phase", "initContainerStatuses", "containerStatuses", "state", "terminated", "exitCode"),
        *LABELS,
        *ANNOTATIONS,
    }
)


class Garbled(ValueError):
    """The API server's answer is no JSON, or not of the documented form."""


class ContainerKind(StrEnum):
    """
    Why a container is in a pod. The kubelet lists the devices of all but ``init``.

    ``init`` runs to its end before the others and hands its devices on; ``sidecar`` is an init container with
    ``restartPolicy: Always``, which stays (Kubernetes, concepts/workloads/pods/sidecar-containers).
    """

    INIT = "init"
    SIDECAR = "sidecar"
    ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodContainer:
    """
    A container of a pod. ``ended``: its process is gone for good, so that it holds nothing any longer.

    For an init container that is success (after a failure it is started again); for every other one any end, which the
    pod may follow with a new start: then it is not ended again. False until the kubelet has reported.

    ``asks``: how many devices its limits ask for, of each of the resources that were read.
    """

    name: str
    kind: ContainerKind
    ended: bool
    asks: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """
    A pod on this node.

    ``deleted``: the API server no longer has it. Its containers may outlive that when it was deleted by force, so
    whoever still sees them may still ask whose they are. ``finished``: it succeeded or failed, as far
    as the API server was told. ``tenant_id``: what its namespace claims, see collector/pods/claims.py.
    """

    namespace: str
    name: str
    uid: str
    finished: bool
    deleted: bool
    containers: tuple[PodContainer, ...]
    workload: Workload
    tenant_id: str | Absent

    @property
    def key(self) -> PodKey:
        """Namespace and name."""
        return self.namespace, self.name


def read_json(text: bytes, also: frozenset[str] = frozenset(), resources: tuple[str, ...] = ()) -> dict[str, Any]:
    """
    The object in the text, with the keys that are kept here, those in ``also``, and those that begin as ``resources``.

    Raises :class:`Garbled`.
    """
    kept = _KEPT | also

    def strip(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in pairs if key in kept or key.startswith(resources)}

    try:
        found = json.loads(text, object_pairs_hook=strip)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"no JSON: {type(error).__name__}") from None  # the error's own text repeats what it read
    return _mapping(found, "answer")


def version_of(thing: Mapping[str, Any]) -> str:
    """The resource version of an object or a list. Raises :class:`Garbled`."""
    return _text(_mapping(thing.get("metadata"), "metadata"), "resourceVersion")


def pods_in(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pods of a list. Raises :class:`Garbled`."""
    return [_mapping(each, "pod") for each in _sequence(answer.get("items"))]


def pod_facts(pod: Mapping[str, Any], tenant_id: str | Absent) -> PodFacts:
    """What is kept of a pod as :func:`read_json` gives it. Raises :class:`Garbled`."""
    metadata = _mapping(pod.get("metadata"), "metadata")
    name, uid = _text(metadata, "name"), _text(metadata, "uid")
    return PodFacts(
        namespace=_text(metadata, "namespace"),
        name=name,
        uid=uid,
        finished=_section(pod, "status").get("phase") in ("Succeeded", "Failed"),
        deleted=False,
        containers=_containers(_section(pod, "spec"), _section(pod, "status")),
        workload=workload_of(
            name=name,
            uid=uid,
            labels=_texts(metadata, "labels"),
            annotations=_texts(metadata, "annotations"),
            owners=metadata.get("ownerReferences"),
        ),
        tenant_id=tenant_id,
    )


def namespace_of(pod: Mapping[str, Any]) -> str:
    """The pod's namespace. Raises :class:`Garbled`."""
    return _text(_mapping(pod.get("metadata"), "metadata"), "namespace")


def labels_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """An object's labels, of those that were kept. Raises :class:`Garbled`."""
    return _texts(_mapping(thing.get("metadata"), "metadata"), "labels")


def _texts(metadata: Mapping[str, Any], key: str) -> dict[str, str]:
    return {name: str(value) for name, value in _section(metadata, key).items()}


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[PodContainer, ...]:
    exits = {**_exit_codes(status, "initContainerStatuses"), **_exit_codes(status, "containerStatuses")}
    return tuple(
        PodContainer(
            name=name,
            kind=kind,
            ended=exits.get(name) == 0 if kind is ContainerKind.INIT else name in exits,
            asks=asks,
        )
        for name, kind, asks in _kinds(spec)
    )


def _kinds(spec: Mapping[str, Any]) -> list[tuple[str, ContainerKind, tuple[tuple[str, int], ...]]]:
    """Name, kind, and what it asks for."""
    init = [_mapping(each, "container") for each in _sequence(spec.get("initContainers"))]
    ordinary = [_mapping(each, "container") for each in _sequence(spec.get("containers"))]
    return [
        *((_text(each, "name"), _init_kind(each), _asks(each)) for each in init),
        *((_text(each, "name"), ContainerKind.ORDINARY, _asks(each)) for each in ordinary),
    ]


def _asks(container: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Kubernetes takes whole numbers only for extended resources; it writes 8 as "8", and 1000 as "1k"."""
    limits = _section(_section(container, "resources"), "limits")
    asked = {resource: _without_suffix(str(quantity)) for resource, quantity in sorted(limits.items())}
    return tuple((name, int(each) * 1000**kilo) for name, (each, kilo) in asked.items() if each.isdecimal())


def _without_suffix(quantity: str) -> tuple[str, int]:
    return quantity.removesuffix("k"), int(quantity.endswith("k"))


def _init_kind(container: Mapping[str, Any]) -> ContainerKind:
    return ContainerKind.SIDECAR if container.get("restartPolicy") == "Always" else ContainerKind.INIT


def _exit_codes(status: Mapping[str, Any], key: str) -> dict[str, object]:
    """The exit codes of the containers that have terminated, by name."""
    found: dict[str, object] = {}
    for each in _sequence(status.get(key)):
        container = _mapping(each, "container status")
        terminated = _section(container, "state").get("terminated")
        if terminated is not None:
            found[_text(container, "name")] = _mapping(terminated, "terminated").get("exitCode")
    return found


def _section(thing: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part that may be missing; Go writes an empty one as null or not at all."""
    return _mapping(thing.get(key) or {}, key)


def _mapping(thing: object, what: str) -> dict[str, Any]:
    if not isinstance(thing, dict):
        raise Garbled(f"{what} is no object")
    return thing


def _sequence(thing: object) -> list[Any]:
    if thing is None:
        return []
    if not isinstance(thing, list):
        raise Garbled("a list is none")
    return thing


def _text(thing: Mapping[str, Any], key: str) -> str:
    value = thing.get(key)
    if not isinstance(value, str) or not value:
        raise Garbled(f"{key} is missing")
    return value
