"""
Writes the Grafana board and the recording rules that it needs, from the wire contract and the facts.

``python dashboards/boards.py`` writes ``fleet.json`` and ``rules.yaml`` beside this file; ``--check`` writes nothing
and exits 1 when a file differs from what would be written. Metric names come from the contract, peaks and utilisation
from the facts: neither is written a second time.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fleet import FLEET
from grafana import board_file
from recording_rules import rules_file

from policy.facts.facts import Facts
from policy.facts.overlays import read_overrides
from policy.facts.reading import load_facts

FOLDER = Path(__file__).parent


def generated(facts: Facts) -> dict[str, str]:
    """Every generated file's text, by its name."""
    return {"fleet.json": board_file(FLEET), "rules.yaml": rules_file(facts)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or compare them. Returns the exit code: 0, or 1 when a file differs."""
    parser = argparse.ArgumentParser(description="Write the Grafana board and its recording rules.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files are [beside this script]")
    parser.add_argument("--facts", type=Path, help="folder of overrides over the shipped facts [none]")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    texts = generated(load_facts(read_overrides(options.facts) if options.facts else ()))
    differing = [name for name, text in texts.items() if _on_disk(folder / name) != text]
    if options.check and differing:
        remedy = "run python dashboards/boards.py"
        print(f"differs from what boards.py writes: {', '.join(differing)}; {remedy}", file=sys.stderr)
        return 1
    for name in () if options.check else differing:
        (folder / name).write_text(texts[name], encoding="utf-8")
        print(f"wrote {folder / name}")
    return 0


def _on_disk(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
