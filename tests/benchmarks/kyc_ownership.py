"""
How long the ownership arithmetic takes over a large register of holdings. Exit code 1 above the bar.

The bar is of processor time, of all threads together, so that other work on the machine does not count.

    python tests/benchmarks/kyc_ownership.py [--edges 100000] [--seed 1]

The register is generated: holders who hold much of many, circles, shares of which a tenth are ranges or not known. Of
four parties in five the rest is dispersed, of the others it is held by nobody known; half of those who are held by
nobody are natural persons. One party in two hundred is on a list, and one in two hundred may be.
"""

import argparse
import resource
import sys
import time
from random import Random

import polars as pl

from policy.kyc.owners.stakes import EDGES, blocked_percent
from policy.kyc.vocabulary import DISPERSED

BAR_SECONDS = 2.0
BAR_MIB = 2048.0

Edge = tuple[str, str, float | None, float | None]


def holdings(count: int, random: Random) -> pl.DataFrame:
    """Edges of a register with about four holders for each party."""
    parties = count // 4
    edges: list[Edge] = []
    while len(edges) < count:
        edges += _holders(f"p-{random.randrange(parties)}", parties, random)
    return pl.DataFrame(edges[:count], schema=EDGES, orient="row")


def _holders(owned: str, parties: int, random: Random) -> list[Edge]:
    """The holders of one party: shares of what is left, most of them exact."""
    left, found = 100.0, []
    for _ in range(random.randint(1, 6)):
        owner = f"p-{int(parties * random.random() ** 2)}"  # some hold much of many
        share = round(left * random.random(), 2)
        left -= share
        kind = random.random()
        low, high = (share, share) if kind < 0.9 else (None, None) if kind < 0.95 else (share / 2, share)
        found.append((owned, owner, low, high))
    if random.random() < 0.8:
        found.append((owned, DISPERSED, None, None))
    return found


def main() -> int:
    """Time one register. Returns 1 above the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    random = Random(given.seed)
    edges = holdings(given.edges, random)
    parties = sorted({*edges["owned"], *edges["owner"]} - {DISPERSED})
    listed = set(random.sample(parties, len(parties) // 200))
    possible = set(random.sample(parties, len(parties) // 200))
    owned = set(edges["owned"])
    unowned = {each for each in parties if each not in owned and random.random() < 0.5}
    began, began_work = time.perf_counter(), time.process_time()
    stakes = blocked_percent(edges, listed, possible, unowned)
    seconds, wall = time.process_time() - began_work, time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answers = {row["answer"]: row["count"] for row in stakes["answer"].value_counts().iter_rows(named=True)}
    print(f"{edges.height:,} holdings of {len(parties):,} parties: {seconds:.2f} s of processor time, {wall:.2f} s")
    print(f"peak memory {peak_mib:,.0f} MiB; bar {BAR_SECONDS:g} s and {BAR_MIB:,.0f} MiB")
    print(f"answers: {', '.join(f'{answer} {count:,}' for answer, count in sorted(answers.items()))}")
    return int(seconds > BAR_SECONDS or peak_mib > BAR_MIB)


if __name__ == "__main__":
    sys.exit(main())
