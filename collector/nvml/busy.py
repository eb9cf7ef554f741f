"""
Busy time, from the samples that the driver itself takes and keeps.

One look a second at a value that the driver averages over 1/6 s sees a sixth of what happened. The driver's buffer has
all of it: each new sample counts for the time since the one before, so that readings one after the other cover the
time without gap or overlap, whatever their cadence, and the end of each lies at most one sample period in the past.
"""

from collections.abc import Mapping
from typing import Any

import pynvml

from collector.nvml.calls import DeviceCalls, value_of
from collector.readings import Absent

LONGEST_PERIOD_US = 1_000_000  # nvml.h: a sample is of 1/6 s to 1 s, by product; none speaks for longer
EMPTY_LOOKS = 5  # so many in a row, and the last time stamp is forgotten: a guess

Samples = list[tuple[int, float]]
"""Time stamps in microseconds, and percent."""

_NONE, _RACED = object(), object()
_ANSWERS: Mapping[int, object] = {
    pynvml.NVML_ERROR_NOT_FOUND: _NONE,
    pynvml.NVML_ERROR_INSUFFICIENT_SIZE: _RACED,
}


class BusyMeter:
    """How busy one device was between two readings."""

    def __init__(self, device: DeviceCalls, pointer: Any) -> None:
        self._device = device
        self._pointer = pointer
        self._last_us = 0
        self._empty = 0
        self._has_rate = False

    def forget(self) -> None:
        """Begin anew: what comes next says nothing about the time before it."""
        self._last_us = self._empty = 0

    def ratio(self) -> float | Absent:
        """
        Share of the time since the last reading in which a kernel ran, 0 to 1.

        NVML: ``nvmlDeviceGetSamples`` of ``NVML_GPU_UTILIZATION_SAMPLES``, in percent; divided here and in ``_rate``.
        By hand: ``nvidia-smi --id=<uuid> --query --display=UTILIZATION``

        The first reading has no time before it, and is the newest sample. Where nothing new was sampled, or the buffer
        grew between asking its size and reading it twice in a row, it is the driver's last period (``_rate``). Of an
        interval that is longer than the buffer, the mean is of its last part, which the buffer has.
        Some boards sample nothing while they idle (polarsignals/gpu-metrics-agent#37), so an empty buffer is no error.
        Time stamps are of a clock that may be set back: then nothing is new, until after some looks it begins anew.

        Absent(NOT_SUPPORTED) on a card in MIG mode: it has no rate, and its samples, which driver 535 hands out all
        the same, are not in percent.
        """
        if not self._has_rate:
            rate = self._rate()
            if isinstance(rate, Absent):
                return rate
            self._has_rate = True
        samples = self._new_samples()
        if not samples:
            return self._rate()
        before, self._last_us = self._last_us, samples[-1][0]
        return _mean(samples, before)

    def _new_samples(self) -> Samples:
        """What was sampled since the last look, in order of time; nothing also where it cannot be had."""
        answer: Any = _RACED
        for _ in range(2):
            if answer is _RACED:
                answer = self._device.ask(
                    pynvml.nvmlDeviceGetSamples,
                    self._pointer,
                    pynvml.NVML_GPU_UTILIZATION_SAMPLES,
                    self._last_us,
                    answers=_ANSWERS,
                )
        if answer is _RACED or isinstance(answer, Absent):
            return []
        samples = [] if answer is _NONE else self._decoded(*answer)
        self._empty = 0 if samples else self._empty + 1
        if self._empty == EMPTY_LOOKS:
            self.forget()
        return samples

    def _decoded(self, value_type: int, found: Any) -> Samples:
        """The samples that can be; a wild one now and then is known (NVIDIA/dcgm-exporter#418), and counted."""
        samples: Samples = []
        for sample in found:
            percent = value_of(sample.sampleValue, value_type)
            if isinstance(percent, Absent) or not 0 <= percent <= 100:
                self._device.calls.nonsense("nvmlDeviceGetSamples", "out_of_range")
            elif sample.timeStamp > self._last_us:
                samples.append((sample.timeStamp, percent))
        return sorted(samples)

    def _rate(self) -> float | Absent:
        """
        Share of the driver's last sample period in which a kernel ran.

        NVML: ``nvmlDeviceGetUtilizationRates``, field ``gpu``.
        By hand: ``nvidia-smi --id=<uuid> --query-gpu=utilization.gpu --format=csv``
        """
        rates = self._device.ask(pynvml.nvmlDeviceGetUtilizationRates, self._pointer)
        if isinstance(rates, Absent):
            return rates
        percent: int = rates.gpu
        if percent > 100:
            return self._device.calls.nonsense("nvmlDeviceGetUtilizationRates", "out_of_range")
        return percent / 100


def _mean(samples: Samples, before_us: int) -> float:
    """The mean from ``before_us`` on, as a ratio; of the newest sample alone if there is no time before."""
    if not before_us:
        return samples[-1][1] / 100
    covered_us, busy, last_us = 0, 0.0, before_us
    for stamp_us, percent in samples:
        length_us = min(stamp_us - last_us, LONGEST_PERIOD_US)
        covered_us, busy, last_us = covered_us + length_us, busy + percent * length_us, stamp_us
    return busy / covered_us / 100
