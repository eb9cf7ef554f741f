"""The entry to the collector's command: keeps signals, and says what libraries lack, before it loads anything slow."""

import sys
from collections.abc import Sequence

from collector import signals

LIBRARIES = ("pynvml", "prometheus_client", "grpc", "google", "kubernetes", "urllib3")
"""What the extra ``[collector]`` installs, by the names under which it is imported."""

LIBRARY_MISSING = 2  # as for settings that cannot be used: only a person can help


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; one clear line and exit code 2 where a library of the collector is not installed."""
    signals.block()
    try:
        # Imported here, so that signals are blocked before, and what it lacks can be told.
        from collector.command import main as command

        return command(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in LIBRARIES:
            raise
        print(f"flopwatch-collector: {error.name} is missing; pip install 'flopwatch[collector]'", file=sys.stderr)
        return LIBRARY_MISSING


if __name__ == "__main__":
    sys.exit(main())
