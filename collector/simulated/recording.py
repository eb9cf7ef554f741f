"""
A recorded series from a CSV file, as one pattern per recorded GPU.

Columns ``t_s,gpu,power_w,util_pct,mem_mib`` and optionally ``trace``, in any order; ``mem_mib`` is nvidia-smi's
``memory.used``, which leaves the driver's reserved part out. A value holds until the GPU's next row, the last one for
as long as the row before it did. Time counts from the first row of the trace.

An empty cell is a gap and answers ``NVML_ERROR_NO_DATA``; a column that is empty for the whole GPU is a board without
that sensor and answers ``NVML_ERROR_NOT_SUPPORTED``.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from collector.readings import Absent, Why
from collector.simulated.pattern import Activity, Level, Pattern
from collector.simulated.products import Product
from collector.simulated.tables import ScenarioError

COLUMNS = ("t_s", "gpu", "power_w", "util_pct", "mem_mib")
MIB = 2**20
_UNTOLD = Absent(Why.NOT_SUPPORTED)
NOT_RECORDED = Activity(
    sm=_UNTOLD, hmma=_UNTOLD, imma=_UNTOLD, dfma=_UNTOLD, dram=_UNTOLD, nvlink=_UNTOLD, pcie=_UNTOLD
)
ONLY_ROW_SECONDS = 1.0  # how long a series of one row lasts; a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: its line in the file, and its numbers in the file's units; an empty cell is Absent(NO_DATA)."""

    line: int
    t_s: float
    power_w: float | Absent
    util_pct: float | Absent
    mem_mib: float | Absent


@dataclass(slots=True)
class Recordings:
    """The recordings of one scenario, each file read once."""

    _by_file: dict[Path, dict[str, dict[int, list[Row]]]] = field(default_factory=dict)

    def traces(self, path: Path) -> dict[str, dict[int, list[Row]]]:
        """Rows by trace (``""`` where the file has no such column) and GPU. Raises ``ScenarioError``."""
        if path not in self._by_file:
            self._by_file[path] = _read(path)
        return self._by_file[path]


def patterns(path: Path, by_gpu: dict[int, list[Row]], product: Product, *, loop: bool) -> tuple[Pattern, ...]:
    """One pattern per recorded GPU, in the order of their numbers. Raises ``ScenarioError`` with row and column."""
    begin = min(rows[0].t_s for rows in by_gpu.values())
    return tuple(_pattern(path, by_gpu[gpu], product, begin, loop=loop) for gpu in sorted(by_gpu))


def _pattern(path: Path, rows: Sequence[Row], product: Product, begin: float, *, loop: bool) -> Pattern:
    gap = {
        column: Absent(
            Why.NO_DATA if any(not isinstance(getattr(row, column), Absent) for row in rows) else Why.NOT_SUPPORTED
        )
        for column in COLUMNS[2:]
    }
    steps = [(seconds, _level(path, row, product, gap)) for seconds, row in _held(rows, begin)]
    return Pattern(steps, repeats=loop)


def _held(rows: Sequence[Row], begin: float) -> Iterator[tuple[float, Row]]:
    """Each row with the seconds it holds; the first from the trace's begin."""
    last = rows[-1].t_s - rows[-2].t_s if len(rows) > 1 else ONLY_ROW_SECONDS
    starts = [begin, *(row.t_s for row in rows[1:]), rows[-1].t_s + last]
    for row, start, end in zip(rows, starts, starts[1:], strict=False):
        yield end - start, row


def _level(path: Path, row: Row, product: Product, gap: dict[str, Absent]) -> Level:
    """The row as ratios of this product. The product's limits hold for a recording too."""
    room_mib = (product.memory_total_bytes - product.memory_reserved_bytes) / MIB
    limits = {"power_w": product.power_limit_watts, "util_pct": 100.0, "mem_mib": room_mib}
    for column, most in limits.items():
        value = getattr(row, column)
        if not isinstance(value, Absent) and not 0 <= value <= most:
            raise _wrong(path, row.line, column, f"{value} is not within 0 to {most:g}, the limits of {product.name}")
    power, memory = row.power_w, row.mem_mib
    return Level(
        busy_ratio=gap["util_pct"] if isinstance(row.util_pct, Absent) else row.util_pct / 100,
        power_ratio=gap["power_w"]
        if isinstance(power, Absent)
        else (power - product.idle_power_watts) / product.power_span_watts,
        memory_ratio=gap["mem_mib"] if isinstance(memory, Absent) else memory * MIB / product.memory_total_bytes,
        activity=NOT_RECORDED,
    )


def _read(path: Path) -> dict[str, dict[int, list[Row]]]:
    found: dict[str, dict[int, list[Row]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            _check_header(path, reader.fieldnames or ())
            for cells in reader:
                _add(found, path, reader.line_num, cells)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError(file=path, table="recording", field="file", problem=f"not readable: {error}") from error
    if not found:
        raise _wrong(path, 1, "t_s", "there are no rows; give at least one")
    return found


def _check_header(path: Path, header: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    unknown = [column for column in header if column not in (*COLUMNS, "trace")]
    if missing or unknown:
        raise _wrong(path, 1, (missing + unknown)[0], f"the header must be {','.join(COLUMNS)} and optionally trace")


def _add(found: dict[str, dict[int, list[Row]]], path: Path, line: int, cells: dict[str, str]) -> None:
    if None in cells or None in cells.values():
        raise _wrong(path, line, "row", "has more or fewer cells than the header")
    gpu = _number(path, line, "gpu", cells["gpu"])
    if isinstance(gpu, Absent) or gpu != int(gpu):
        raise _wrong(path, line, "gpu", f"{cells['gpu']!r} must be the number of a GPU")
    t_s = _number(path, line, "t_s", cells["t_s"])
    rows = found.setdefault(cells.get("trace", ""), {}).setdefault(int(gpu), [])
    if isinstance(t_s, Absent) or (rows and t_s <= rows[-1].t_s):
        raise _wrong(path, line, "t_s", f"{cells['t_s']!r} must be later than the row before of the same GPU")
    power, busy, memory = (_number(path, line, column, cells[column]) for column in COLUMNS[2:])
    rows.append(Row(line=line, t_s=t_s, power_w=power, util_pct=busy, mem_mib=memory))


def _number(path: Path, line: int, column: str, cell: str) -> float | Absent:
    if not cell.strip():
        return Absent(Why.NO_DATA)
    try:
        value = float(cell)
    except ValueError as error:
        raise _wrong(path, line, column, f"{cell!r} must be a number, or empty") from error
    if not isfinite(value):
        raise _wrong(path, line, column, f"{cell!r} must be a finite number, or empty")
    return value


def _wrong(path: Path, line: int, column: str, problem: str) -> ScenarioError:
    return ScenarioError(file=path, table=f"row {line}", field=f"column {column}", problem=problem)
