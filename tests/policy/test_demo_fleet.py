import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from policy.demo import fleet
from policy.demo.fleet import Fleet


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", fleet.INTERRUPTS)
def test_an_interrupt_while_a_process_is_started_leaves_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A signal between a child's start and the moment it is known is heard afterwards, and the child is stopped."""
    started: list[int] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)
            os.kill(os.getpid(), number)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    monkeypatch.setattr(fleet.subprocess, "Popen", Interrupted)
    try:
        with pytest.raises(KeyboardInterrupt), Fleet(tmp_path) as children:
            children.start("sleeper", "http.server", "0")
    finally:
        assert signal.signal(number, before) is interrupt, "the handler is the one that was there before"
    assert len(started) == 1
    assert not runs(started[0])


def test_an_interrupt_while_the_processes_are_stopped_waits_until_they_are(tmp_path: Path) -> None:
    """Ctrl-C twice in a row ends the demo no sooner than its processes."""
    children = Fleet(tmp_path)
    pids = [children.start(name, "http.server", "0").pid for name in ("one", "two")]
    first, *_ = children._children.values()
    terminate = first.terminate

    def terminate_and_interrupt() -> None:
        terminate()
        os.kill(os.getpid(), signal.SIGINT)

    first.terminate = terminate_and_interrupt  # type: ignore[method-assign]  # where a second Ctrl-C would hit
    with pytest.raises(KeyboardInterrupt):
        children.stop()
    assert not [pid for pid in pids if runs(pid)]
