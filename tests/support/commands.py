"""The real command, as people run it."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def flopwatch(*arguments: str | Path, expect: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command, as a process of its own, in which every warning is an error. ``variables``: its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOPWATCH_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "policy", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env=environment | variables,
        timeout=60,
    )
    assert done.returncode == expect, done.stderr
    return done
