"""
What NVML answers by numbered fields, asked in one call: power, energy, link counters, the health of the memory.

Each value comes with a code of its own. A field that the device does not have is left out of later calls.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pynvml

from collector.nvml.boundary import UNWRITTEN, FieldRow
from collector.nvml.calls import DeviceCalls, present, value_of
from collector.readings import Absent, Why

KIB = 1024
ALL_LINKS = 0xFFFFFFFF  # nvml.h: the scope that adds up all NVLinks

BEYOND = 2**64  # no counter of NVML is wider

CALL = "nvmlDeviceGetFieldValues"
_NOT_SUPPORTED = Absent(Why.NOT_SUPPORTED)
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the reading, NVML's number for it with its scope, and how to bring it into base units."""

    name: str
    field_id: int
    convert: Callable[[float], Any]
    scope: int = 0


def _thousandth(value: float) -> float:
    return value / 1000


def _from_kib(value: float) -> int:
    return int(value) * KIB


# Where a name stands twice, the two are for different generations, and the first that answers is taken.
METERED: tuple[Field, ...] = (
    Field(name="power_watts", field_id=pynvml.NVML_FI_DEV_POWER_AVERAGE, convert=_thousandth),
    Field(name="energy_joules", field_id=pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, convert=_thousandth),
    Field(
        name="nvlink_received_bytes",
        field_id=pynvml.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES,
        convert=int,
        scope=ALL_LINKS,
    ),
    Field(
        name="nvlink_received_bytes",
        field_id=pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX,
        convert=_from_kib,
        scope=ALL_LINKS,
    ),
    Field(
        name="nvlink_transmitted_bytes",
        field_id=pynvml.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES,
        convert=int,
        scope=ALL_LINKS,
    ),
    Field(
        name="nvlink_transmitted_bytes",
        field_id=pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX,
        convert=_from_kib,
        scope=ALL_LINKS,
    ),
    Field(name="pcie_received_bytes", field_id=pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, convert=int),
    Field(name="pcie_transmitted_bytes", field_id=pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, convert=int),
)
"""What is metered, and so asked for at every look."""
HEALTH: tuple[Field, ...] = (
    Field(name="ecc_uncorrected_errors", field_id=pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, convert=int),
    Field(name="memory_repairs", field_id=pynvml.NVML_FI_DEV_REMAPPED_UNC, convert=int),
    Field(name="memory_repairs", field_id=pynvml.NVML_FI_DEV_RETIRED_DBE, convert=int),
    Field(name="memory_repair_pending", field_id=pynvml.NVML_FI_DEV_REMAPPED_PENDING, convert=bool),
    Field(name="memory_repair_pending", field_id=pynvml.NVML_FI_DEV_RETIRED_PENDING, convert=bool),
)
"""How the memory is; it changes seldom."""


class FieldBatch:
    """Fields of one device, all in one call."""

    def __init__(self, device: DeviceCalls, pointer: Any, fields: tuple[Field, ...]) -> None:
        self._device = device
        self._pointer = pointer
        self._names = tuple(dict.fromkeys(field.name for field in fields))
        self._keep(fields)

    def read(self) -> Values:
        """
        What the batch is of: power (mean of a second), energy, bytes since the driver was loaded, memory errors.

        NVML: ``nvmlDeviceGetFieldValues``; milliwatts, millijoules, KiB up to NVLink 4 and bytes from NVLink 5.
        By hand: ``nvidia-smi --id=<uuid> --query`` for power, errors and remapped rows; ``nvidia-smi nvlink
        --getthroughput d`` for the links; ``dcgmi dmon --field-id 156`` for the energy, in millijoules.

        Absent(NOT_SUPPORTED) for each value that this device does not have, or that the library says to have answered
        and has not written. Where the whole call fails, power and energy are had by calls of their own, and of power
        the same on boards that have no mean of it.
        """
        found: Values = dict.fromkeys(self._names, Absent(Why.NOT_SUPPORTED))
        if self._fields:
            answer = self._device.ask(pynvml.nvmlDeviceGetFieldValues, self._pointer, self._asked, of=self._names)
            found |= dict.fromkeys(found, answer) if isinstance(answer, Absent) else self._decoded(answer)
            if isinstance(answer, Absent):
                return found | self._singly(found, always=True)
        return found | self._singly(found, always=False)

    def _decoded(self, answer: Any) -> Values:
        rows = (FieldRow * len(self._fields)).from_buffer(answer)
        values = [self._value(field, row) for field, row in zip(self._fields, rows, strict=True)]
        found: Values = {}
        for field, value in zip(self._fields, values, strict=True):
            before = found.get(field.name, _NOT_SUPPORTED)
            if before == _NOT_SUPPORTED or (isinstance(before, Absent) and not isinstance(value, Absent)):
                found[field.name] = value
        if _NOT_SUPPORTED in values:
            pairs = zip(self._fields, values, strict=True)
            self._keep(tuple(field for field, value in pairs if value != _NOT_SUPPORTED))
        return found

    def _value(self, field: Field, answer: Any) -> Any:
        code = answer.nvmlReturn
        if code in (pynvml.NVML_ERROR_INVALID_ARGUMENT, UNWRITTEN):  # the driver is older than the field, or a stub
            return Absent(Why.NOT_SUPPORTED)
        if code != pynvml.NVML_SUCCESS:
            return present(self._device.calls.failed(CALL, code))
        if answer.valueType == UNWRITTEN:  # a stand-in that does not say what it wrote
            return Absent(Why.NOT_SUPPORTED)
        value = value_of(answer.value, answer.valueType)
        if isinstance(value, Absent) or not 0 <= value < BEYOND:  # so neither is nan
            return self._device.calls.nonsense(CALL, "out_of_range")
        return field.convert(value)

    def _singly(self, found: Values, *, always: bool) -> Values:
        """Power and energy by their own calls, where the field is not supported, or ``always`` where it is absent."""
        values: Values = {}
        for name, function in SINGLE_CALLS.items():
            absent = found.get(name)
            if isinstance(absent, Absent) and (always or absent.reason is Why.NOT_SUPPORTED):
                thousandths = self._device.ask(function, self._pointer)
                values[name] = thousandths if isinstance(thousandths, Absent) else _thousandth(thousandths)
        return values

    def _keep(self, fields: tuple[Field, ...]) -> None:
        self._fields = fields
        self._asked = [(field.field_id, field.scope) for field in fields]


SINGLE_CALLS: dict[str, Callable[..., Any]] = {
    "power_watts": pynvml.nvmlDeviceGetPowerUsage,
    "energy_joules": pynvml.nvmlDeviceGetTotalEnergyConsumption,
}
