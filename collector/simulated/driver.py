"""
A GPU driver that is not there, at the boundary where pynvml calls NVML's C functions.

pynvml keeps its loaded library in ``pynvml.nvmlLib`` and looks functions up in it by name; ``install`` puts this object
there. All of pynvml's own marshalling runs unchanged: the functions below take the ctypes arguments it passes, write
through its references, and answer with NVML's codes. Values are integers in NVML's units, as from a real driver.

A function that is not in the table is unknown, which pynvml reports as ``NVML_ERROR_FUNCTION_NOT_FOUND``, as for a
driver older than the call. ``pynvml.nvmlLib`` and its cache are not a public interface; tests hold them in place.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pynvml

from collector.simulated import events, gpm, identity, mig, processes, sensors
from collector.simulated.session import Refused, Session

FUNCTIONS: dict[str, Callable[..., None]] = (
    identity.FUNCTIONS | sensors.FUNCTIONS | gpm.FUNCTIONS | mig.FUNCTIONS | events.FUNCTIONS | processes.FUNCTIONS
)


class SimulatedDriver(Session):
    """One node's driver: a session, with the C functions by their names."""

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name not in FUNCTIONS:
            raise AttributeError(f"the simulated driver has no function {name}")
        function = FUNCTIONS[name]

        def call(*arguments: Any) -> int:
            try:
                function(self, *arguments)
            except Refused as refused:
                return refused.code
            return int(pynvml.NVML_SUCCESS)

        return call


def install(driver: SimulatedDriver) -> None:
    """Make pynvml, in this whole process, talk to ``driver``."""
    _use(driver)


def uninstall() -> None:
    """Make pynvml look for the real library again at its next initialisation."""
    _use(None)


@contextmanager
def installed(driver: SimulatedDriver) -> Iterator[SimulatedDriver]:
    """``driver`` for the length of a ``with`` block, then whatever was there before."""
    before = pynvml.nvmlLib
    _use(driver)
    try:
        yield driver
    finally:
        _use(before)


def _use(library: object) -> None:
    with pynvml.libLoadLock:
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()
