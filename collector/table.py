"""
A look at a node as a table for a terminal: plain text, aligned, and no wider than a terminal is. Pure.

A number is never cut. Where there is none the reason stands in its place, over as many columns as it holds for; names
and, where a node has nothing but reasons, the reasons are cut with an ellipsis to fit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import fill

from collector.contract import GpuState, Provenance
from collector.once import Look, Row, Source, counted, words_of
from collector.readings import Absent, Holder, Reading

WIDTH = 120
LONGEST_REASON = 20  # the longest that a number can be absent for, and some more
SHORTEST_REASON = 4
LONGEST_PRODUCT = 20  # a guess: as long as a product's name is, without its maker's
LONGEST_TENANT = 16  # a guess: as long as an account id is; a digest is longer, and stays known by its beginning
SHORTEST_HOLDER = 20  # a guess: less is no use
SHORTEST_UUID = 8  # as the first group of one
GIB = 2**30
ELLIPSIS = "…"
INDENT = "  "
CUT = "cut"  # the state of a card that is divided: what no instance has is unallocated, and its rows say the rest

Value = str | Absent
NUMBERS = (("POWER", "W"), ("BUSY", "%"), ("SM", "%"), ("TENSOR", "%"), ("MEMORY", "GiB"))
"""
The columns of numbers, and their units; the order is that of :func:`_numbers`.

What a MIG instance cannot tell, and what a card from before Hopper cannot, stands side by side.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What one line of the table says. A further holder of a GPU has a line in which nothing else stands."""

    place: str = ""
    product: str = ""
    uuid: str = ""
    state: str = ""
    numbers: tuple[Value, ...] = ()
    holder: tuple[str, str, str] | str = ""
    tenant: str = ""

    @property
    def names(self) -> tuple[str, str, str, str]:
        """The columns on the left."""
        return self.place, self.product, self.uuid, self.state


TITLES = _Line(numbers=tuple(title for title, _ in NUMBERS))
HEADS = _Line(
    place="GPU",
    product="PRODUCT",
    uuid="UUID",
    state="STATE",
    numbers=tuple(unit for _, unit in NUMBERS),
    holder="HOLDER",
    tenant="TENANT",
)


def text_of(look: Look) -> str:
    """The whole look: a headline, the table, and a line for each that was asked."""
    simulated = ", simulated" if look.provenance == Provenance.SIMULATED else ""
    head = f"{look.node}{simulated}: {counted(len(look.gpus), 'GPU')}"
    table = ["", *table_of(look.gpus), ""] if look.gpus else [""]
    width = max(len(source.name) for source in look.sources) + 2
    return "\n".join([head, *table, *(_said(source, width) for source in look.sources)])


def table_of(rows: Sequence[Row], *, width: int = WIDTH) -> list[str]:
    """Two lines of heads, then one for each GPU and instance, and for each further holder of it."""
    every = [*rows, *(instance for row in rows for instance in row.instances)]
    uuids = short_uuids([row.gpu_uuid for row in every if not isinstance(row.gpu_uuid, Absent)])
    lines = [HEADS, *(line for row in rows for line in _lines(row, uuids))]
    names = [max(map(len, column)) for column in zip(*(line.names for line in lines), strict=True)]
    tenant = max(len(line.tenant) for line in lines)
    left = width - sum(names) - 2 * len(names) - 2 - tenant
    numbers = _fit(lines, left - SHORTEST_HOLDER)
    room = max(left - _total(numbers), 1)
    holder = max(len(_fitted(line.holder, room)) for line in lines)
    return [_write(line, names, numbers, holder) for line in (TITLES, *lines)]


def short_uuids(uuids: Sequence[str]) -> dict[str, str]:
    """The beginning of each after its ``GPU-`` or ``MIG-``, long enough to tell all of them apart."""
    bare = {uuid: uuid.partition("-")[2] or uuid for uuid in uuids}
    longest = max(map(len, bare.values()), default=0)
    for length in range(SHORTEST_UUID, longest):
        if len({each[:length] for each in bare.values()}) == len(bare):
            return {uuid: each[:length] for uuid, each in bare.items()}
    return bare


def _said(source: Source, width: int) -> str:
    """In as many lines as it takes."""
    first, others = f"{source.name + ':':{width}}", " " * width
    return fill(source.says, WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _lines(row: Row, uuids: dict[str, str]) -> Iterator[_Line]:
    holders = _holders(row)
    yield _Line(
        place=_place(row),
        product=_cut(row.accelerator.removeprefix("NVIDIA "), LONGEST_PRODUCT),
        uuid=_known_as(row, uuids),
        state=CUT if row.instances and row.state is GpuState.UNALLOCATED else row.state,
        numbers=_numbers(row.reading),
        holder=holders[0][0],
        tenant=holders[0][1],
    )
    for holder, tenant in holders[1:]:
        yield _Line(holder=holder, tenant=tenant)
    for instance in row.instances:
        yield from _lines(instance, uuids)


def _place(row: Row) -> str:
    """The driver's number of a card; of an instance those of it on the card."""
    if row.mig is not None:
        return f"{INDENT}{row.mig.gpu_instance_id}/{row.mig.compute_instance_id}"
    return "?" if isinstance(row.index, Absent) else str(row.index)


def _known_as(row: Row, uuids: dict[str, str]) -> str:
    """The short UUID, or where there is none the address."""
    if not isinstance(row.gpu_uuid, Absent):
        return uuids[row.gpu_uuid]
    return "not known" if isinstance(row.pci_bus_id, Absent) else row.pci_bus_id


def _numbers(reading: Reading | Absent) -> tuple[Value, ...]:
    if isinstance(reading, Absent):
        return (reading,) * len(NUMBERS)
    return (
        _scaled(reading.power_watts, 1),
        _scaled(reading.busy_ratio, 100),
        _scaled(reading.sm_active_ratio, 100),
        _scaled(reading.tensor_active_ratio, 100),
        _scaled(reading.memory_used_bytes, 1 / GIB),
    )


def _scaled(value: float | Absent, factor: float) -> Value:
    return value if isinstance(value, Absent) else f"{value * factor:.1f}"


def _holders(row: Row) -> list[tuple[tuple[str, str, str] | str, str]]:
    """Who holds it, and whose that is; at least one line."""
    if isinstance(row.holders, Absent):
        return [(words_of(row.holders), "")]
    if not row.holders:
        return [("by instance" if row.instances else "nobody", "")]
    return [(_name(holder), _tenant(holder)) for holder in row.holders]


def _name(holder: Holder) -> tuple[str, str, str]:
    """What stands before the pod's name, the name, and what stands after it."""
    doubt = f" ({words_of(holder.doubt)})" if holder.doubt else ""
    return f"{holder.namespace}/", holder.pod, f"/{holder.container}{doubt}"


def _tenant(holder: Holder) -> str:
    tenant = words_of(holder.tenant_id) if isinstance(holder.tenant_id, Absent) else holder.tenant_id
    return _cut(tenant, LONGEST_TENANT)


def _fit(lines: Sequence[_Line], room: int) -> list[int]:
    """How wide the columns of numbers are, with reasons that are as long as there is room for."""
    for longest in range(LONGEST_REASON, SHORTEST_REASON, -1):
        widths = _widths(lines, longest)
        if _total(widths) <= room:
            return widths
    return _widths(lines, SHORTEST_REASON)


def _widths(lines: Sequence[_Line], longest: int) -> list[int]:
    """As wide as heads and numbers; a reason that is wider than its columns widens the last one of them."""
    widths = [max(map(len, head)) for head in NUMBERS]
    spans = [span for line in lines for span in _spans(line.numbers)]
    for begin, _, value in spans:
        widths[begin] = max(widths[begin], 0 if isinstance(value, Absent) else len(value))
    for begin, end, value in spans:
        words = words_of(value) if isinstance(value, Absent) else ""
        widths[end - 1] += max(0, min(len(words), longest) - _between(widths, begin, end))
    return widths


def _spans(values: Sequence[Value]) -> Iterator[tuple[int, int, Value]]:
    """Each number with its column, from the first up to the one after the last; a reason with all that it holds for."""
    columns = range(len(values))
    for _, group in groupby(columns, key=lambda at: values[at] if isinstance(values[at], Absent) else at):
        places = list(group)
        yield places[0], places[-1] + 1, values[places[0]]


def _between(widths: Sequence[int], begin: int, end: int) -> int:
    """The width of several columns, with one space between two."""
    return sum(widths[begin:end]) + end - begin - 1


def _total(widths: Sequence[int]) -> int:
    """The width of all, with two spaces behind them."""
    return _between(widths, 0, len(widths)) + 2


def _write(line: _Line, names: Sequence[int], widths: Sequence[int], holder: int) -> str:
    left = "  ".join(f"{text:{width}}" for text, width in zip(line.names, names, strict=True))
    middle = " ".join(_cells(line.numbers, widths)) or " " * _between(widths, 0, len(widths))
    return f"{left}  {middle}  {_fitted(line.holder, holder):{holder}}  {line.tenant}".rstrip()


def _cells(values: Sequence[Value], widths: Sequence[int]) -> Iterator[str]:
    """Numbers to the right, reasons to the left of their columns."""
    for begin, end, value in _spans(values):
        width = _between(widths, begin, end)
        yield f"{_cut(words_of(value), width):{width}}" if isinstance(value, Absent) else f"{value:>{width}}"


def _fitted(holder: tuple[str, str, str] | str, room: int) -> str:
    """The holder's name; the pod's part of it is cut first, for there the part that counts mostly stands in front."""
    if isinstance(holder, str):
        return _cut(holder, room)
    before, pod, after = holder
    return _cut(before + _cut(pod, max(room - len(before) - len(after), 2)) + after, room)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + ELLIPSIS
