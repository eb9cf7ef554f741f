"""
The collector's command, upon a simulated driver that counts what its own functions cost.

    python -m support.counted_collector FILE ARGUMENT …

When the command has ended, FILE has the processor time in seconds that passed within the simulated driver.
"""

import sys
from pathlib import Path

from support.odd_drivers import CountingDriver

from collector.command import main
from collector.simulated import driver


def run(path: Path, arguments: list[str]) -> int:
    """Run the command with these arguments; its exit code."""
    made: list[CountingDriver] = []

    class Counted(CountingDriver):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)
            made.append(self)

    driver.SimulatedDriver = Counted
    code = main(arguments)
    path.write_text(str(sum(each.inside_seconds for each in made)), encoding="ascii")
    return code


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
