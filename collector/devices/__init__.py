"""
The devices of this node: through the driver, or else by what is on the PCI bus.

A survey is what one look found. The session has the driver: opened, opened again with back-off,
let go of on request. The bus says which GPUs no driver
here reads. The node puts them together, look by look, and remembers what it has seen.
"""

from collector.devices.node import NodeDevices
from collector.devices.session import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS
from collector.devices.survey import NOT_YET, InstanceLook, Survey, Unreadable

__all__ = [
    "FIRST_RETRY_SECONDS",
    "LONGEST_RETRY_SECONDS",
    "NOT_YET",
    "InstanceLook",
    "NodeDevices",
    "Survey",
    "Unreadable",
]
