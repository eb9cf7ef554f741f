"""Numbers and countries that decide something about a tenant are facts, with reason and source, and not in code."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import policy
from policy.facts.countries import is_code
from policy.facts.estimation import TRIPLES, Estimation
from policy.facts.evidence import Constant
from policy.facts.stitching import Stitching
from policy.facts.tiers import Tiers
from policy.facts.training_signals import TrainingSignals

ROOT = Path(policy.__file__).parent
GROUP = re.compile(r"[A-E]:[0-9]")
JUDGEMENT = sorted((ROOT / "judgement").glob("*.py"))
READERS = (*JUDGEMENT, ROOT / "facts" / "facts.py")
FRACTIONS = {
    1e-9: "of a sum of readings, what rounding may leave",
    0.01: "of busy time, so that a share of it has something to be divided by",
}
NUMBERS = {
    "TOTAL_DIGITS": "rounding",
    "SCORE_DECIMALS": "rounding",
    "MICROSECONDS_OF_HOUR": "the calendar",
    "MICROSECONDS_OF_DAY": "the calendar",
    "DAY_SECONDS": "the calendar",
    "FARTHEST_DAYS": "so that no day leaves the calendar",
    "GROWTH_DAYS": "how far back growth is shown; no rule asks for it",
    "GANG_SIZES": "of the facts' own rows w_gang_64, w_gang_16 and w_gang_8",
}
"""Constants of the code that are numbers, each with why it decides nothing by itself."""


def numbers_in(tree: ast.AST) -> Iterator[float]:
    """Every number that is written there."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and type(each.value) in (int, float):
            yield float(each.value)


def is_number(value: ast.expr) -> bool:
    """Whether it is a number, a time, several of them, or a calculation with nothing else."""
    match value:
        case ast.Constant(value=number):
            return type(number) in (int, float)
        case ast.Tuple(elts=parts):
            return all(map(is_number, parts))
        case ast.BinOp(left=left, right=right):
            return is_number(left) and is_number(right)
        case ast.Name(id=name):
            return name.isupper()
        case ast.Call(func=ast.Name(id=name)):
            return name == "timedelta"
        case _:
            return False


def number_constants(module: Path) -> Iterator[str]:
    """The names that a module gives to numbers outside of its functions."""
    for each in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(each, ast.Assign) and is_number(each.value):
            names = (part for target in each.targets for part in ast.walk(target))
            yield from (part.id for part in names if isinstance(part, ast.Name))


CODE = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT / "facts")
NO_COUNTRIES = {"values.py": "which parts of countries ISO 3166-1 has as well", "one_device.py": "gigabytes"}
"""Modules with codes of countries, or what looks so, in which these decide nothing, each with what they are."""


def codes_in(module: Path) -> list[str]:
    """The texts of a module that are a country or a country group."""
    written = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    texts = [each.value for each in written if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return [each for each in texts if is_code(each) or GROUP.fullmatch(each)]


def test_no_country_is_named_in_code() -> None:
    """Countries and country groups stand in the facts and nowhere else."""
    found = {str(module.relative_to(ROOT)): codes_in(module) for module in CODE if module.name not in NO_COUNTRIES}
    assert {name: codes for name, codes in found.items() if codes} == {}


@pytest.mark.parametrize("module", JUDGEMENT, ids=lambda module: module.stem)
def test_no_share_decides_from_within_the_code(module: Path) -> None:
    """Judgement has no fraction of its own: shares, ratios and times come from the facts."""
    written = set(numbers_in(ast.parse(module.read_text(encoding="utf-8"))))
    assert {each for each in written if each != int(each)} <= FRACTIONS.keys()
    assert set(number_constants(module)) <= NUMBERS.keys()


@pytest.mark.parametrize("topic", [TrainingSignals, Stitching, Estimation, Tiers])
def test_every_number_of_the_facts_is_used(topic: type[TrainingSignals | Stitching | Estimation | Tiers]) -> None:
    """No number of a topic is there for show: judgement asks for each."""
    text = "".join(module.read_text(encoding="utf-8") for module in READERS)
    by_bound = {f"{name}_{bound}" for name in TRIPLES for bound in ("low", "likely", "high")}
    names = [each.name for each in fields(topic) if each.type in (Constant, "Constant") and each.name not in by_bound]
    assert names
    assert [name for name in names if f".{name}.value" not in text] == []
