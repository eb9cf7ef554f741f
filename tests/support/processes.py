"""Other programs as a test needs them: started, waited for, and always stopped."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

POLL_SECONDS = 0.1
STOP_SECONDS = 5.0

Found = TypeVar("Found")


def eventually(find: Callable[[], Found | None], *, within: float, what: Callable[[], str]) -> Found:
    """What ``find`` gives as soon as it is not None. After ``within`` seconds it fails and says ``what`` lacks."""
    deadline = time.monotonic() + within
    while (found := find()) is None:
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what()}"
        time.sleep(POLL_SECONDS)
    return found


@contextmanager
def running(command: Sequence[str], *, log: Path, says: str, within: float = 20.0) -> Iterator[re.Match[str]]:
    """
    The program while it runs, once its output, which goes to ``log``, matches ``says``; gives the match.

    It is stopped at the end whatever happened, and killed if it does not stop by itself.
    """
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            yield eventually(lambda: _said(process, log, says), within=within, what=lambda: log.read_text()[-2000:])
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _said(process: subprocess.Popen[bytes], log: Path, says: str) -> re.Match[str] | None:
    found = re.search(says, log.read_text(encoding="utf-8"))
    assert found or process.poll() is None, f"ended with code {process.returncode}: {log.read_text()[-2000:]}"
    return found
