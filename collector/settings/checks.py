"""What can be wrong with settings, each of which can be read by itself."""

import math

from collector.settings.fields import Settings

PROFILES = ("minimal", "full")
LOG_LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
LARGEST = {
    "interval_seconds": 86_400.0,
    "max_gap_seconds": 315_360_000.0,  # ten years
    "retention_seconds": 315_360_000.0,
    "hang_seconds": 86_400.0,
    "release_seconds": 86_400.0,
    "state_interval_seconds": 86_400.0,
    "speed": 100_000.0,  # a day in a second
    "begins_at": 4_102_444_800.0,  # the year 2100
}
"""Beyond these nothing useful is meant, and below them no moment overflows; all are guesses."""

SHORTEST_INTERVAL_SECONDS = 0.001  # far below what a driver samples; below a nanosecond no tick would follow another
SLOWEST_SPEED = 0.001  # a guess; near 0 a wait for the next tick is longer than can be waited


def problems(given: Settings) -> tuple[tuple[bool, str], ...]:
    """Everything that can be wrong with settings, and what to do about it."""
    numbers = {name: getattr(given, name) for name in LARGEST}
    too_large = [name for name, number in numbers.items() if number > LARGEST[name]]
    return (
        (given.log_level.lower() not in LOG_LEVELS, f"--log-level must be one of {', '.join(LOG_LEVELS)}"),
        (given.format not in FORMATS, f"--format must be one of {', '.join(FORMATS)}"),
        (
            bool(given.tls_cert_file) != bool(given.tls_key_file),
            "--tls-cert-file and --tls-key-file need each other: a certificate and its key",
        ),
        (
            bool(given.tls_client_ca_file and not given.tls_cert_file),
            "--tls-client-ca-file needs --tls-cert-file: only over TLS can readers show a certificate",
        ),
        (given.metrics not in PROFILES, f"--metrics must be one of {', '.join(PROFILES)}"),
        (given.process_check not in ("on", "off"), "--process-check must be on or off"),
        (not 0 <= given.listen_port <= 65535, "--listen-port must be from 0 to 65535"),
        (not given.node.isprintable(), "--node must be printable text in UTF-8"),
        (not all(map(math.isfinite, numbers.values())), "numbers must be finite"),
        *((True, f"--{name.replace('_', '-')} must be at most {LARGEST[name]:.0f}") for name in too_large),
        (given.interval_seconds < SHORTEST_INTERVAL_SECONDS, "--interval-seconds must be at least 0.001"),
        (given.speed < SLOWEST_SPEED, "--speed must be at least 0.001"),
        (
            min(given.hang_seconds, given.release_seconds) <= 0,
            "--hang-seconds and --release-seconds must be above 0",
        ),
        (
            given.max_gap_seconds < given.interval_seconds,
            "--max-gap-seconds must be at least --interval-seconds, or every tick would be late",
        ),
        (
            min(given.retention_seconds, given.begins_at, given.state_interval_seconds) < 0,
            "--retention-seconds, --begins-at and --state-interval-seconds must not be negative",
        ),
        (given.speed != 1.0 and not given.simulate, "--speed needs --simulate: real GPUs run on real time"),
        (given.begins_at != 0.0 and not given.simulate, "--begins-at needs --simulate: it is a scenario that begins"),
        (
            bool(given.kubelet_socket and given.holders_file),
            "--holders-file and --kubelet-socket exclude each other: one of them says who holds the GPUs",
        ),
        (
            bool(given.simulate and given.holders_file),
            "--holders-file and --simulate exclude each other: a scenario says who holds its GPUs",
        ),
        (
            bool(given.simulate and not given.node),
            "--simulate needs --node: which of the scenario's nodes to play",
        ),
    )
