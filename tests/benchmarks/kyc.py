"""
How long screening takes, on generated names: 100,000 parties against 26,000 entries, and again after 50 have changed.

    python tests/benchmarks/kyc.py [--parties 100000] [--entries 26000] [--processes 2]

Names are made of what real ones are made of: syllables of Chinese, Russian and Western names, towns, lines of business,
legal forms, and one in twelve in Chinese or Cyrillic letters; entries have aliases, and one party in a hundred is an
entry under a name slightly changed. Prints seconds and the peak of memory, of the process and its children together,
each with its bar. Exit code 1 above a bar. Seconds are of a machine that does nothing else.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, where a file is called as the package is

import polars as pl  # noqa: E402 - found through the line above
from support.screening import EL, compared  # noqa: E402

from policy.kyc.screening.kept import keep, read_kept, screen_again  # noqa: E402
from policy.kyc.screening.lists import ENTRIES  # noqa: E402
from policy.kyc.screening.screen import PARTIES, Screening, rescreen  # noqa: E402

SCREENING_BAR = 60.0
RESCREENING_BAR = 2.0
MEMORY_BAR = 2.0  # GiB
CHANGED = 50

CHINESE = """hua xin yi long tai kang jin hong ming wei sheng da yuan fu rui bo lin qing tian zhong hai dong nan bei an
ping chang shun jia bao guang yu xiang neng ke li zhi cheng feng ze hao kun peng xing ya ling jun""".split()  # noqa: SIM905
WESTERN = """ka mo ri tan vel dor nex lum ser pra sol cor tel gra bri von max zen alp or cas del fin gar hel ir jo kol
lan mer nov ost pel qua ros sten tri ul var wes yor bel ham cro fex tin mar""".split()  # noqa: SIM905
RUSSIAN = """novo uralsk sibir prom mash stroy spets kosmo avto nefte volga kama dal len mos kras tver oms zav pol rad
tor zel bor gor kov sam""".split()  # noqa: SIM905
TOWNS = """Shenzhen Beijing Shanghai Guangzhou Wuhan Chengdu Moscow Tehran Dubai Singapore London Berlin Paris Toronto
Istanbul Nanjing Hangzhou Kazan Samara Karachi""".split()  # noqa: SIM905
BUSINESSES = """Technology Electronics Trading Logistics Semiconductor Information Energy Aviation Shipping Bank
Research Software Networks Construction Chemical Medical Engineering Materials Machinery Telecom Investment Consulting
Dynamics Robotics Cloud Computing Supply Pharma Foods Textile""".split()  # noqa: SIM905
FORMS = (
    "Co., Ltd.",
    "LLC",
    "GmbH",
    "Inc.",
    "Ltd",
    "S.A.",
    "AG",
    "OOO",
    "JSC",
    "FZE",
    "Pte. Ltd.",
    "Limited",
    "B.V.",
    "",
)
HAN = "华新易龙泰康金宏明伟盛达远福瑞博林青天海东南北安平昌顺嘉宝光宇祥能力智诚丰泽浩坤鹏兴雅灵军"
CYRILLIC = """ново урал сибир пром маш строй спец космо авто нефте волга кама дал лен мос крас твер ом рад бор
гор""".split()  # noqa: SIM905


def a_name(random: Random) -> str:
    """One name of an organisation."""
    chance = random.random()
    if chance < 0.42:
        return _chinese(random)
    if chance < 0.78:
        return _western(random)
    if chance < 0.88:
        root = "".join(random.choices(RUSSIAN, k=random.choice((2, 3)))).capitalize()
        tail = random.choice(("", " Zavod", f" NII {random.randrange(99)}"))
        return f"{random.choice(('OOO', 'AO', 'JSC'))} {root}{tail}"
    if chance < 0.92:
        return f"ООО «{''.join(random.choices(CYRILLIC, k=3)).capitalize()}»"
    if chance < 0.96:
        return (
            "".join(random.choices(HAN, k=random.choice((2, 3)))) + random.choice(("科技", "电子", "贸易")) + "有限公司"
        )
    return f"{random.randrange(1, 99)}th {random.choice(TOWNS)} Research Institute of {random.choice(BUSINESSES)}"


def _chinese(random: Random) -> str:
    root = "".join(random.choices(CHINESE, k=random.choice((2, 2, 3)))).capitalize()
    town = [random.choice(TOWNS)] * (random.random() < 0.6)
    business = random.sample(BUSINESSES, random.choice((1, 1, 2)))
    return " ".join([*town, root, *business, random.choice(FORMS)]).strip()


def _western(random: Random) -> str:
    roots = ["".join(random.choices(WESTERN, k=random.choice((2, 3, 3)))).capitalize()]
    if random.random() < 0.3:
        roots.append("".join(random.choices(WESTERN, k=2)).capitalize())
    return " ".join([*roots, random.choice(BUSINESSES), random.choice(FORMS)]).strip()


def _address(random: Random) -> str:
    street = "".join(random.choices(WESTERN, k=3)).capitalize()
    return f"{random.randrange(1, 400)} {street} Street, {random.choice(TOWNS)} {random.randrange(10000, 99999)}"


def entries_of(random: Random, count: int, first: int = 0) -> pl.DataFrame:
    """Entries with aliases and addresses."""
    rows = [
        {
            "list": "EL", "list_title": EL, "entry": f"e-{number}", "name": a_name(random),
            "aliases": [a_name(random) for _ in range(random.choice((0, 0, 1, 3)))],
            "addresses": [{"text": _address(random), "country": "CN"} for _ in range(random.choice((0, 1, 2)))],
            "programmes": [], "kind": "unknown",
        }
        for number in range(first, first + count)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ENTRIES, orient="row")


def parties_of(random: Random, count: int, listed: list[str]) -> pl.DataFrame:
    """Parties, one in a hundred of which is an entry."""
    rows = [
        {
            "party_id": f"p-{number}",
            "name": _changed(random, random.choice(listed)) if number % 100 == 0 else a_name(random),
            "aliases": [a_name(random)] * (random.random() < 0.2),
            "addresses": [_address(random)],
            "countries": ["CN"],
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=PARTIES, orient="row")


def _changed(random: Random, name: str) -> str:
    """The name with one letter doubled, in capitals, or without its last word."""
    at = random.randrange(len(name))
    return random.choice((name[:at] + name[at] + name[at:], name.upper(), f"The {name}"))


def timed(what: str, bar: float | None, work: Callable[[], Any]) -> tuple[Any, bool]:
    """Do it and print how long it took, by the clock and in the processors; whether that was within the bar."""
    begin, spent = time.perf_counter(), _processor_seconds()
    result = work()
    seconds = time.perf_counter() - begin
    held = "" if bar is None else f", bar {bar:g} s"
    print(f"{what}: {seconds:.2f} s ({_processor_seconds() - spent:.1f} s of processors{held})", flush=True)
    return result, bar is None or seconds <= bar


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_gib(processes: int) -> float:
    """The most memory held: this process's, and as much as the largest child for each of them."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + processes * largest_child) / 1024 / 1024


def _from_kept(folder: Path, again: Screening) -> None:
    """Read what was kept and compare what changed, as the command does; the hits are those found above."""
    kept = read_kept(folder)
    found = screen_again(kept, again.parties, again.entries, again.threshold, processes=2)
    assert found.hits.equals(again.hits)


def main() -> int:
    """Measure. Returns 1 above a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parties", type=int, default=100_000)
    parser.add_argument("--entries", type=int, default=26_000)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    random = Random(7)
    entries = entries_of(random, given.entries)
    parties = parties_of(random, given.parties, entries["name"].to_list())
    print(f"parties {parties.height}, entries {entries.height}, names of entries "
          f"{entries.height + entries['aliases'].list.len().sum()}", flush=True)  # fmt: skip
    first, quick = timed("screening", SCREENING_BAR, lambda: compared(parties, entries, processes=given.processes))
    possible = first.hits.filter(pl.col("verdict") == "possible")
    print(f"hits {first.hits.height}, possible {possible.height}, of parties {possible['party_id'].n_unique()}")
    timed("an index of the parties, once and kept", None, lambda: first.party_side)
    changed = entries_of(random, CHANGED - 10, first=10).vstack(entries_of(random, 10, first=given.entries))
    again, quick_again = timed(
        f"screening again after {CHANGED} entries changed", RESCREENING_BAR, lambda: rescreen(first, None, changed)
    )
    print(f"hits {again.hits.height}")
    with tempfile.TemporaryDirectory() as folder:
        timed("keeping it in a folder", None, lambda: keep(first, Path(folder)))
        timed("the same change in a new process, from what was kept", None, lambda: _from_kept(Path(folder), again))
    peak = peak_gib(given.processes)
    print(f"peak memory, all processes: {peak:.2f} GiB (bar {MEMORY_BAR:g} GiB)")
    return 0 if quick and quick_again and peak <= MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
