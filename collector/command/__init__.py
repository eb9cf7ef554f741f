"""The collector's command: tick, serve and stop on a signal, or look once and end."""

import sys
from collections.abc import Sequence

from collector.command.look import look_once
from collector.command.serve import serve_until_told
from collector.settings import read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code that ``--help`` lists."""
    settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    return look_once(settings) if settings.once else serve_until_told(settings)
