"""
What the kubelet says about who holds which device, in its own words.

That is a container, and an id that a device plugin or a DRA driver made up. ``collector.kubelet.ids`` knows which
device an id means.
"""

from dataclasses import dataclass

from collector.readings import Absent


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ContainerName:
    """A container on this node. The kubelet gives no pod UID here, so a pod's successor of the same name is equal."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PluginDevice:
    """A device as its plugin registered it with the kubelet: the resource's name, and the plugin's id for it."""

    resource: str
    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginClaim:
    """A device that a device plugin's resource gave to a container: the resource's name, and the plugin's id for it."""

    container: ContainerName
    resource: str
    device_id: str

    @property
    def on(self) -> PluginDevice:
        """The device without who has it."""
        return PluginDevice(resource=self.resource, device_id=self.device_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicClaim:
    """
    A device that a container holds through dynamic resource allocation (DRA).

    ``claim_namespace`` and ``claim`` name the ResourceClaim; containers that name the same one share its devices.
    ``driver``, ``pool`` and ``device`` together name the device; ``device`` is Absent where the claim is for something
    else. ``share_id`` is Absent for a device that is not handed out in shares. A claim with administrator's access
    (``adminAccess``) looks like any other here.
    """

    container: ContainerName
    claim_namespace: str
    claim: str
    driver: str
    pool: str
    device: str | Absent
    cdi_names: tuple[str, ...]
    share_id: str | Absent


Claim = PluginClaim | DynamicClaim
