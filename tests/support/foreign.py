"""Libraries written in C that stand in for the driver's ``libnvidia-ml.so.1``, built from ``nvml_c/nvml.c``."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path

import pytest
from support.nvml_library import in_use

from collector.nvml import Driver

REQUIRED = "FLOPWATCH_REQUIRE_CC"  # set where the tests must not be skipped
SOURCE = Path(__file__).parent / "nvml_c" / "nvml.c"
NAME = "libnvidia-ml.so.1"


def a_library(folder: Path, *what: str, source: Path = SOURCE) -> Path:
    """The folder with a library of this kind in it; see the head of the source. Skips without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        lacking = "no C compiler is installed: it is in the Debian packages gcc and libc6-dev"
        if os.environ.get(REQUIRED):
            pytest.fail(lacking, pytrace=False)
        pytest.skip(lacking)
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-std=gnu17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *(f"-D{name}" for name in what)]
    subprocess.run([compiler, *options, "-o", folder / NAME, source], check=True)
    return folder


@contextmanager
def a_foreign_driver(folder: Path, what: str, elapsed_ns: Callable[[], int] = time.monotonic_ns) -> Iterator[Driver]:
    """An open driver on such a library, in this process."""
    with in_use(CDLL(str(a_library(folder, what) / NAME))), Driver.open(elapsed_ns) as driver:
        yield driver
