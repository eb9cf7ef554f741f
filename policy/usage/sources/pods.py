"""
The collectors' pods as the API server tells of them: on which node each is, and where its page is. Pure.

Fields are those of Pod v1 (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/); whatever is
not read here may be anything. A field that is null counts as one that is not there.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from policy.usage.sources.target import Heard, Target, TargetState, Unusable, unheard

SELECTOR = "app.kubernetes.io/name=flopwatch-collector"
PORT_NAME = "metrics"
SCHEME = "prometheus.io/scheme"
PREFIX = "node/"
ENDED = ("Succeeded", "Failed")  # their address may be another pod's already
A_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""What the API server takes for a node's name: a DNS subdomain of at most 253 characters."""


class _Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        return {key: each for key, each in given.items() if each is not None} if isinstance(given, dict) else given


class Metadata(_Part):
    """Whose object it is, since when, and whether it is being deleted."""

    name: str = ""
    annotations: dict[str, str] = {}
    creation_timestamp: str = ""
    deletion_timestamp: str = ""


class _Requirement(_Part):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class _Term(_Part):
    match_fields: tuple[_Requirement, ...] = ()


class _Required(_Part):
    node_selector_terms: tuple[_Term, ...] = ()


class _NodeAffinity(_Part):
    required: Annotated[_Required, Field(alias="requiredDuringSchedulingIgnoredDuringExecution")] = _Required()


class _Affinity(_Part):
    node_affinity: _NodeAffinity = _NodeAffinity()


class _Port(_Part):
    name: str = ""
    container_port: Annotated[int, Field(ge=1, le=65535)]


class _Container(_Part):
    ports: tuple[_Port, ...] = ()


class _Spec(_Part):
    node_name: str = ""
    affinity: _Affinity = _Affinity()
    containers: tuple[_Container, ...] = ()


class _Waiting(_Part):
    reason: str = ""


class _State(_Part):
    waiting: _Waiting = _Waiting()


class _ContainerStatus(_Part):
    state: _State = _State()


class _Condition(_Part):
    type: str = ""
    status: str = ""
    reason: str = ""


class _Status(_Part):
    phase: str = ""
    reason: str = ""
    pod_ip: Annotated[IPv4Address | IPv6Address | None, Field(alias="podIP")] = None
    conditions: tuple[_Condition, ...] = ()
    container_statuses: tuple[_ContainerStatus, ...] = ()


class Pod(_Part):
    """One pod, as far as it matters here."""

    metadata: Metadata
    spec: _Spec
    status: _Status = _Status()

    @property
    def node(self) -> str:
        """Where it is, or, before it is scheduled, where its DaemonSet wants it; empty when neither is said."""
        name = self.spec.node_name or next(self._wanted(), "")
        return name if A_NAME.fullmatch(name) else ""

    @property
    def url(self) -> str:
        """Where its page is; empty while it has no address, or none any longer."""
        address, port = self.status.pod_ip, self._port
        if address is None or port is None or self._has_ended:
            return ""
        scheme = self.metadata.annotations.get(SCHEME, "")
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        return f"{scheme if scheme in ('http', 'https') else 'http'}://{host}:{port}/metrics"

    @property
    def why_not(self) -> str:
        """Why it has no address, as the cluster says."""
        if self.status.pod_ip and not self._has_ended:
            return f"names no port {PORT_NAME}"
        phase = f"is {self.status.phase or 'not there yet'}"
        reasons = ", ".join(dict.fromkeys(filter(None, self._reasons())))
        return f"{phase}: {reasons}" if reasons else phase

    @property
    def standing(self) -> tuple[bool, bool, bool, str, str]:
        """The greatest of a node's pods is the one to ask: one that lives and stays, and of these the newest."""
        about = self.metadata
        return (
            not self._has_ended, not about.deletion_timestamp, bool(self.url), about.creation_timestamp, about.name,
        )  # fmt: skip

    @property
    def _has_ended(self) -> bool:
        return self.status.phase in ENDED

    @property
    def _port(self) -> int | None:
        named = (port for each in self.spec.containers for port in each.ports if port.name == PORT_NAME)
        return next((port.container_port for port in named), None)

    def _wanted(self) -> Iterator[str]:
        """Where the DaemonSet controller writes it (kubernetes: pkg/controller/daemon/util/daemonset_util.go)."""
        for term in self.spec.affinity.node_affinity.required.node_selector_terms:
            for field in term.match_fields:
                if field.key == "metadata.name" and field.operator == "In":
                    yield from field.values

    def _reasons(self) -> Iterator[str]:
        yield self.status.reason
        yield from (each.state.waiting.reason for each in self.status.container_statuses)
        unscheduled = (each for each in self.status.conditions if (each.type, each.status) == ("PodScheduled", "False"))
        yield from (each.reason for each in unscheduled)


class _ListMetadata(_Part):
    go_on: Annotated[str, Field(alias="continue")] = ""


class PodList(_Part):
    """One page of a list of pods."""

    kind: Literal["PodList"]
    metadata: _ListMetadata = _ListMetadata()
    items: tuple[Pod, ...] = ()


class Node(_Part):
    """A node that is in the cluster."""

    kind: Literal["Node"]
    metadata: Metadata


class _Details(_Part):
    name: str = ""


class Status(_Part):
    """What the API server says in place of an answer."""

    kind: Literal["Status"]
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details = _Details()


def target_of(node: str) -> str:
    """What the collector of a node is called, whichever pod it runs in."""
    return f"{PREFIX}{node}"


def no_collector(node: str, detail: str) -> Heard:
    """The answer of a node without a collector that could be asked."""
    return unheard(target_of(node), Unusable(TargetState.NO_COLLECTOR, detail))


def by_node(pods: Iterable[Pod]) -> dict[str, Target | Heard]:
    """Every node that has a pod of the collector or is to have one: whom to ask there, or why nobody."""
    placed = sorted((each for each in pods if each.node), key=lambda pod: pod.node)
    return {
        node: _of(max(those, key=lambda pod: pod.standing)) for node, those in groupby(placed, lambda pod: pod.node)
    }


def _of(pod: Pod) -> Target | Heard:
    if pod.url:
        return Target(name=target_of(pod.node), url=pod.url, node=pod.node)
    return no_collector(pod.node, f"pod {pod.metadata.name} {pod.why_not}")
