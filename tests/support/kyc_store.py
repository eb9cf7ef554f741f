"""
Stores of statements to test with; and, as a program of its own, an import that dies where it is told.

It takes ``STORE FILE N`` and kills itself before the N-th flush to disk, as nothing else could stop it.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from policy.kyc.importing.forms import Asked, read_file
from policy.kyc.store.brought import Brought
from policy.kyc.store.store import Plan, Store, Version

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HEADER = "subject,predicate,value,as_of,known_from"


def on_day(day: int) -> datetime:
    """Noon so many days after the first."""
    return NOON + timedelta(days=day)


def said(folder: Path, *rows: str, name: str = "said.csv", header: str = HEADER) -> Path:
    """A file of statements; a row may leave out its last cells."""
    cells = header.count(",") + 1
    path = folder / name
    lines = [header, *(row + "," * (cells - 1 - row.count(",")) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def brought(
    *paths: Path, source: str = "crm", whole: bool = True, rest: bool = False, many: bool = False, day: int = 0
) -> Brought:
    """Files to import on a day."""
    asked = Asked(source=source, today=on_day(day).date())
    files = tuple(read_file(path, asked) for path in paths)
    return Brought(source=source, author="tester", files=files, is_whole=whole, accept_rest=rest, withdraw_many=many)


def imported(store: Store, *paths: Path, day: int = 0, **how: object) -> tuple[Plan, Version | None]:
    """Import files; no version where nothing changes."""
    with store.writing():
        plan = store.plan(brought(*paths, day=day, **how), on_day(day))  # type: ignore[arg-type]
        return plan, None if plan.changes_nothing else store.commit(plan)


def dying_before(number: int, flush: Callable[[int], None]) -> Callable[[int], None]:
    """The same flush, counted; the process ends before the one with this number."""
    seen = 0

    def counted(file: int) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(file)

    return counted


if __name__ == "__main__":
    os.fsync = dying_before(int(sys.argv[3]), os.fsync)
    imported(Store.open(Path(sys.argv[1])), Path(sys.argv[2]), day=1)
