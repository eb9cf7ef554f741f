"""``flopwatch facts cited``, and the facts that a finding cites in place of those of today."""

import argparse
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from policy.commands.options import add_settings, settings_of
from policy.commands.sheet import Grid, Sheet, plain
from policy.facts.facts import Facts
from policy.facts.put_away import taken_out
from policy.facts.tables import FactsError
from policy.settings import UnusableSettings
from policy.usage.cited import Citation, Cited
from policy.usage.ledger import Ledger, LedgerError

EXAMPLES = """  flopwatch facts cited --ledger /var/lib/flopwatch/ledger
  flopwatch facts cited --ledger /var/lib/flopwatch/ledger --digest cfecfdf310e5 --out then/
  flopwatch facts show switches --ledger /var/lib/flopwatch/ledger --digest cfecfdf310e5 --at 2026-03-01

A finding names its facts and its rules by a digest. The engine keeps what they stood for in its ledger; --out writes
the files, as they were, into a new folder. Facts that are shown by a digest have been read again and give that digest.

exit codes: 0 done, 2 a file or a flag cannot be used
"""
KINDS = ("facts", "rules")
SHORT = 12  # digits of a digest that a table shows


def add_digest(parser: argparse.ArgumentParser) -> None:
    """The flags by which a part of the command takes the facts that a finding cites."""
    parser.add_argument(
        "--digest", metavar="DIGEST", help="by the facts that findings cite so, of --ledger; its first digits will do"
    )
    add_settings(parser, ("ledger",))


def cited_facts(arguments: argparse.Namespace) -> Facts:
    """The facts of ``--digest``. Raises UnusableSettings, LedgerError, FactsError."""
    for flag in ("facts", "tier", "scenario"):
        if getattr(arguments, flag):
            raise UnusableSettings(f"--{flag} does not go with --digest: what was cited is shown as it was")
    return _facts_in(Cited(Ledger.existing(settings_of(arguments).ledger)).find(arguments.digest, "facts"))


def _facts_in(each: Citation) -> Facts:
    return taken_out(each.content, each.digest, place=str(each.path), flopwatch=each.flopwatch)


def cited_sheet(arguments: argparse.Namespace) -> Sheet:
    """What has been cited, or what became of writing one of them out."""
    cited = Cited(Ledger.existing(settings_of(arguments).ledger))
    if (arguments.digest is None) != (arguments.out is None):
        raise UnusableSettings("--digest and --out go together: which one, and the folder to write it into")
    return _listed(cited) if arguments.digest is None else _written(cited.find(arguments.digest, *KINDS), arguments.out)


def _listed(cited: Cited) -> Sheet:
    found = [each for kind in KINDS for each in cited.all(kind)]
    rows = tuple(
        (each.kind, each.digest[:SHORT], f"{each.first_cited:%Y-%m-%d %H:%M}Z", each.flopwatch, _of_what(each))
        for each in found
    )
    columns = ("kind", "digest", "first cited", "flopwatch", "made of")
    grid = Grid(title="What findings cite", columns=columns, rows=rows, empty="nothing has been cited yet")
    return Sheet(blocks=(grid,), content={"cited": [_content(each) for each in found]})


def _content(each: Citation) -> dict[str, object]:
    return {
        "kind": each.kind,
        "digest": each.digest,
        "first_cited": each.first_cited.isoformat(),
        "flopwatch": each.flopwatch,
        "made_of": _of_what(each),
        "file": str(each.path),
    }


def _of_what(each: Citation) -> str:
    """What a reader tells one set from another by: the provider's own part of it."""
    with _as_damage(each):
        if each.kind == "rules":
            return _name(each.content["file"])
        overlays = [_name(overlay["file"]) for overlay in each.content["overlays"]]
        tiers = [f"{tier['name']}={tier['flop']:g}" for tier in each.content["tiers"]]
    own = [f"overrides {', '.join(overlays)}"] * bool(overlays) + [f"tiers {', '.join(tiers)}"] * bool(tiers)
    return "; ".join(["as shipped", *own])


def _name(file: str) -> str:
    """The last part of a path: what is kept names files and never where they are written. Raises ValueError."""
    name = Path(file).name
    if name in ("", "..") or "\0" in name:
        raise ValueError(f"{file!r} names no file")
    return name


@contextmanager
def _as_damage(each: Citation) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise LedgerError(f"{each.path}: does not hold what was cited ({error!r}); restore it from a copy") from error


def _written(citation: Citation, folder: Path) -> Sheet:
    with _as_damage(citation):
        texts = {name: text.encode() for name, text in _files(citation)}
    try:
        folder.mkdir(parents=True)
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(text)
    except FileExistsError as error:
        raise UnusableSettings(f"--out {folder}: is there already; give a folder that is not there yet") from error
    except OSError as error:
        raise UnusableSettings(f"--out {folder}: cannot be written ({error.strerror}); give another folder") from error
    names, seal = [str(folder / name) for name in texts], _seal(citation)
    head = f"{citation.kind} {citation.digest}, first cited {citation.first_cited.isoformat()}: {seal}"
    content = {**_content(citation), "seal": seal, "written": plain(names)}
    return Sheet(blocks=(head, *names), content=content)


def _seal(citation: Citation) -> str:
    """Whether what is kept gives its digest, in words."""
    if citation.kind == "rules":
        digest = hashlib.sha256(citation.content["text"].encode()).hexdigest()
        return "unchanged" if digest == citation.digest else f"changed: its text gives the digest {digest}"
    try:
        _facts_in(citation)
    except FactsError as error:
        return f"not known to be unchanged: {error.problem}"
    return "unchanged"


def _files(citation: Citation) -> Iterator[tuple[str, str]]:
    """Names, within the folder, and texts. Overlays are numbered, as the later lies over the earlier."""
    if citation.kind == "rules":
        yield _name(citation.content["file"]), citation.content["text"]
        return
    for name, text in citation.content["files"].items():
        yield f"shipped/{_name(name)}", text
    for number, overlay in enumerate(citation.content["overlays"], start=1):
        yield f"overrides/{number:02}-{_name(overlay['file'])}", overlay["text"]
    if tiers := citation.content["tiers"]:
        flag = ",".join(f"{tier['name']}={tier['flop']!r}" for tier in tiers)
        yield "tiers.txt", f"--tier {flag}\n"
