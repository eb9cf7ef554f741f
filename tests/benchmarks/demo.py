"""
How long ``flopwatch demo`` takes from its start to its tickets. Exit code 1 above the bar.

    python tests/benchmarks/demo.py              once
    python tests/benchmarks/demo.py --runs 5     five times, the slowest is held to the bar
"""

import argparse
import subprocess
import sys
import time

DEMO = (sys.executable, "-m", "policy", "demo", "--exit")
BAR_SECONDS = 60.0  # what a newcomer waits for before the first answer


def seconds() -> float:
    """One demo. Raises CalledProcessError where its tickets are not the expected ones."""
    began = time.monotonic()
    subprocess.run(DEMO, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="how often [1]")
    taken = [seconds() for _ in range(parser.parse_args().runs)]
    for each in taken:
        print(f"demo: {each:.1f} s from the start to the expected tickets")
    print(f"slowest {max(taken):.1f} s, bar {BAR_SECONDS:.0f} s: {'met' if max(taken) < BAR_SECONDS else 'missed'}")
    return 0 if max(taken) < BAR_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
