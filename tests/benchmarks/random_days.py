"""
Days on which everything goes wrong at random, against their truth: looks for what nobody thought of. Prints figures.

    python tests/benchmarks/random_days.py [--days 200] [--first 25]

Each day is made from its number alone, so that one that contradicts its truth can be looked at again. The tests play
the first twenty-five of them; here are all others. Exit code 1 where a day contradicts its truth.
"""

import argparse
import logging
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, where a file is called as the package is

from support.truth_check import Checker, Complaint  # noqa: E402 - found through the line above
from support.truth_doors import MemoryDoors  # noqa: E402
from support.truth_played import Player  # noqa: E402
from support.truth_random import a_day  # noqa: E402
from support.truth_sums import Truth  # noqa: E402


def complaints_of(number: int) -> list[Complaint]:
    """What is wrong with the pages of this day."""
    day = a_day(Random(number))
    checker = Checker(Truth(day))
    with TemporaryDirectory() as folder:
        Player(day, Path(folder), MemoryDoors).play(checker)
    return checker.complaints


def main() -> int:
    """Play the days. Returns 1 where one contradicts its truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--first", type=int, default=25)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = 0
    for number in range(given.first, given.first + given.days):
        complaints = complaints_of(number)
        found += bool(complaints)
        for each in complaints[:3]:
            print(
                f"day {number}, second {each.at}: {each.what} {each.key[:3]}: {each.found}, {each.least} to {each.most}"
            )
    print(f"{found} of {given.days} days contradict their truth")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
