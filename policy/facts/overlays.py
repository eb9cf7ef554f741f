"""
Overlays: what a provider lays over the shipped facts, and what a scenario supposes.

An overlay is one TOML file: ``[overlay]`` says what it is, why and since when; every other table is a row of a topic,
named with the topic in front (``[[jurisdictions.membership]]``) and written as in the shipped file of that topic. A row
with the key of one that is there stands in its place, whole; any other is added. ``[[remove]]`` takes a row away. Later
overlays lie over earlier ones, in the order of their file names.
"""

import re
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

from policy.facts.evidence import Layer, LayerKind
from policy.facts.tables import Reader, Written, parse, wrong_in

A_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
HEADER, REMOVE, DOCUMENTS = "overlay", "remove", "sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One file, not yet held against the facts that it is laid over; ``text`` is what stands in it."""

    layer: Layer
    content: Written
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    kind: LayerKind
    name: str
    reason: str
    decided_on: date
    layer: Layer


def read_overlay(text: str, file: str) -> Overlay:
    """Read one overlay. Raises :class:`FactsError`."""
    written = parse(text, Layer(file=file))
    header = written.get(HEADER)
    if not isinstance(header, Written):
        raise written.wrong(f"[{HEADER}]", "kind", "missing", "say what the overlay is: kind, name, reason, decided_on")
    if "kind" in header and header["kind"] not in (LayerKind.OVERRIDE, LayerKind.SCENARIO):
        raise header.wrong(f"[{HEADER}]", "kind", f"{header['kind']!r} will not do", "give override or scenario")
    read = Reader().row(_Header, f"[{HEADER}]", header)
    if not A_NAME.fullmatch(read.name):
        raise header.wrong(
            f"[{HEADER}]", "name", f"{read.name!r} will not do", "give small letters, digits and hyphens"
        )
    layer = Layer(file=file, kind=read.kind, name=read.name, reason=read.reason, decided_on=read.decided_on)
    content = {key: value for key, value in parse(text, layer).items() if key != HEADER}
    return Overlay(layer=layer, content=Written(content, layer), text=text)


def read_overrides(folder: Path) -> tuple[Overlay, ...]:
    """Every ``*.toml`` of a provider's folder, in the order of their names. Raises :class:`FactsError`, OSError."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".toml"]
    overlays = tuple(_read_file(path, "put a file there, or take the name out of the folder") for path in paths)
    for each in overlays:
        if each.layer.kind is not LayerKind.OVERRIDE:
            problem = "a scenario is never in force"
            raise each.content.wrong(f"[{HEADER}]", "kind", problem, "keep it elsewhere, and give it to a replay")
    return overlays


def read_scenario(name: str) -> Overlay:
    """A scenario by its file, or one of the shipped ones by name. Raises :class:`FactsError`."""
    shipped = shipped_scenarios()
    remedy = f"give a scenario's file, or one that ships: {', '.join(shipped)}"
    overlay = read_overlay(shipped[name], f"{name}.toml") if name in shipped else _read_file(Path(name), remedy)
    if overlay.layer.kind is not LayerKind.SCENARIO:
        problem = "an override of the provider's is no scenario"
        raise overlay.content.wrong(f"[{HEADER}]", "kind", problem, remedy)
    return overlay


def shipped_scenarios() -> dict[str, str]:
    """The texts of the scenarios that ship, by name."""
    found = sorted(files("policy.facts").joinpath("scenarios").iterdir(), key=lambda each: each.name)
    return {each.name.removesuffix(".toml"): each.read_text("utf-8") for each in found if each.name.endswith(".toml")}


def _read_file(path: Path, remedy: str) -> Overlay:
    """Only a regular file is opened: a pipe or a device would keep whoever reads it waiting, perhaps for ever."""
    file = Layer(file=str(path))
    try:
        if not path.is_file():
            problem = "is no file" if path.exists() else "there is no such file"
            raise wrong_in(file, "whole file", "name", problem, remedy)
        return read_overlay(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise wrong_in(file, "whole file", "encoding", "is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise wrong_in(file, "whole file", "name", problem, "let this process read it") from error
