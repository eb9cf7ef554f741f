"""
Which tenant a namespace claims to belong to, from its labels. Pure.

Each tenancy product writes its own label on its namespaces; an adapter says which, and whether its value may leave the
node. Only labels of the namespace count: whoever may create a pod may also label it, so a pod claims nothing.
The label is as trustworthy as the rule who may set it (k8s/README.md): name only adapters whose label tenants cannot
set.

Several adapters must agree. Where two name different tenants nobody is believed: the claim is absent, as a conflict.

A claim that is a name, such as a Capsule tenant called after a customer, leaves the node only as a digest under the
site's key; who has the key and a list of names can tell which name it is, and nobody else can.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.readings import Absent, Why

TENANT_LABEL = "flopwatch.io/tenant-id"
PSEUDONYM_PREFIX = "hmac-"
PSEUDONYM_HEX_DIGITS = 32  # 128 bits: among 1e9 tenants the chance of one collision is below 2e-21

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""What a label's value may be, at most 63 characters: Kubernetes, concepts/overview/working-with-objects/labels."""
_GENERATED_PROJECT = re.compile(r"p-[bcdfghjklmnpqrstvwxz2456789]{5}")
"""A name that the API server made up: ``generateName: p-`` and the letters of k8s.io/apimachinery util/rand."""


class UnknownAdapter(ValueError):
    """No adapter of that name: which, and which there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """
    Where one tenancy product writes a namespace's tenant.

    ``labels``: those that together name one tenant; their values are joined by ``/``.
    ``opaque``: what a value must look like to leave the node as it is; every other value is a name.
    None where the product's tenants are always named by people.
    """

    name: str
    labels: tuple[str, ...]
    opaque: re.Pattern[str] | None

    def answer(self, labels: Mapping[str, str]) -> tuple[str, ...] | None:
        """The values on a namespace with these labels; None unless each is there."""
        values = tuple(labels.get(label, "") for label in self.labels)
        return values if all(values) else None


ADAPTERS: Mapping[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        # Ours: whoever writes it is told that it must be an opaque account id.
        Adapter(name="flopwatch", labels=(TENANT_LABEL,), opaque=_LABEL_VALUE),
        # projectcapsule/capsule: the name of the Tenant object, which people choose.
        Adapter(name="capsule", labels=("capsule.clastix.io/tenant",), opaque=None),
        # rancher/rancher: the Project's object name, generated unless somebody chose one.
        Adapter(name="rancher", labels=("field.cattle.io/projectId",), opaque=_GENERATED_PROJECT),
        # loft-sh/vcluster: on the namespaces that a virtual cluster makes on its host. Its name alone is not unique.
        Adapter(
            name="vcluster",
            labels=("vcluster.loft.sh/vcluster-namespace", "vcluster.loft.sh/vcluster-name"),
            opaque=None,
        ),
        # vCluster Platform: on the host namespace of an instance.
        Adapter(
            name="vcluster-platform",
            labels=("loft.sh/vcluster-instance-namespace", "loft.sh/vcluster-instance-name"),
            opaque=None,
        ),
    )
}
DEFAULT_ADAPTERS = ("flopwatch",)
"""One only: two that number their tenants differently would disagree on every namespace."""


def adapters_named(names: Sequence[str]) -> tuple[Adapter, ...]:
    """The adapters of these names, in this order. Raises :class:`UnknownAdapter`."""
    for name in names:
        if name not in ADAPTERS:
            raise UnknownAdapter(f"tenant adapter {name!r} is not known; there are {', '.join(ADAPTERS)}")
    return tuple(ADAPTERS[name] for name in dict.fromkeys(names))


def tenant_claim(labels: Mapping[str, str], adapters: Sequence[Adapter], site_key: bytes | Absent) -> str | Absent:
    """
    The tenant that a namespace with these labels claims, in the form that may leave the node.

    Where several adapters agree the first of them decides whether the value is an opaque id.

    Absent: ``NOT_CLAIMED`` without any such label, ``TENANT_CONFLICT`` where two adapters disagree, ``TENANT_INVALID``
    for a value that no label may have or that passes itself off as a digest, ``NO_SITE_KEY`` for a name without key.
    """
    answers = [(adapter, values) for adapter in adapters if (values := adapter.answer(labels))]
    if not answers:
        return Absent(Why.NOT_CLAIMED)
    if len({values for _, values in answers}) > 1:
        return Absent(Why.TENANT_CONFLICT)
    adapter, values = answers[0]
    if not all(map(_LABEL_VALUE.fullmatch, values)) or values[0].startswith(PSEUDONYM_PREFIX):
        return Absent(Why.TENANT_INVALID)
    tenant = "/".join(values)
    if adapter.opaque and adapter.opaque.fullmatch(tenant):
        return tenant
    return site_key if isinstance(site_key, Absent) else pseudonym(site_key, adapter.name, tenant)


def pseudonym(site_key: bytes, adapter: str, name: str) -> str:
    """
    What a name is called outside the node: ``hmac-`` and 32 hexadecimal digits, the same for the same key.

    HMAC-SHA256 over adapter and name, so that equal names of two products are two tenants.
    """
    digest = hmac.new(site_key, f"{adapter}\n{name}".encode(), hashlib.sha256).hexdigest()
    return PSEUDONYM_PREFIX + digest[:PSEUDONYM_HEX_DIGITS]
