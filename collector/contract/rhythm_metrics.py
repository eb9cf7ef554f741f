"""
What a collector says about the rhythm of a holder's devices in the last minutes: period, phase, synchrony.

Where a number cannot be told its series is not there, which is not 0. Nothing of it outlives the process.
"""

from collector.contract.vocabulary import HOLDER_LABELS, gauge

RHYTHM_WINDOW = gauge(
    "holder_rhythm_window_seconds",
    "seconds",
    (*HOLDER_LABELS, "signal"),
    "Of the last minutes, the seconds in which the activity of this holder's own devices is known, by the signal that "
    "all of this is told from: tensor_active_ratio, sm_active_ratio, power_watts or busy_ratio.",
)
RHYTHM_PERIOD = gauge(
    "holder_rhythm_period_seconds",
    "seconds",
    HOLDER_LABELS,
    "After how long the mean activity of the holder's devices comes back. Absent where no period stands out.",
)
RHYTHM_STRENGTH = gauge(
    "holder_rhythm_strength_ratio",
    "ratio",
    HOLDER_LABELS,
    "How far the activity one period later is what it was, up to 1 for exactly. Absent without a period.",
)
RHYTHM_PHASE = gauge(
    "holder_rhythm_phase_timestamp_seconds",
    "seconds",
    HOLDER_LABELS,
    "Phase of the period in UTC: Unix time of the middle of the latest trough. Holders of the same period are in step "
    "where these differ by a multiple of it. Absent without a period.",
)
RHYTHM_SYNCHRONY = gauge(
    "holder_rhythm_synchrony_ratio",
    "ratio",
    HOLDER_LABELS,
    "Mean correlation over all pairs of the holder's devices: 1 as one, 0 independent, at worst -1. Absent with fewer "
    "than two devices that vary.",
)

METRICS = (RHYTHM_WINDOW, RHYTHM_PERIOD, RHYTHM_STRENGTH, RHYTHM_PHASE, RHYTHM_SYNCHRONY)
