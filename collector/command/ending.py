"""How the command ends: exit codes, as ``--help`` lists them, and one line on what is wrong."""

import sys

CANNOT_SERVE = 1
UNUSABLE_SETTINGS = 2
NOT_ALL_READ = 3


def refuse(problem: object, code: int) -> int:
    """Say what is wrong; the code to end with."""
    print(f"flopwatch-collector: {problem}", file=sys.stderr)
    return code
