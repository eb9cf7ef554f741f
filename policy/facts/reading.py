"""
The one door to the files: they and the overlays go in, all facts come out, or one clear error.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from policy.facts import (
    accelerators,
    board_power,
    control,
    countries,
    documents,
    estimation,
    jurisdictions,
    parts,
    party_lists,
    red_flags,
    stitching,
    switches,
    tiers,
    training_signals,
)
from policy.facts.control import Control
from policy.facts.evidence import Layer
from policy.facts.facts import Facts, digest_of
from policy.facts.layers import check_told_apart, lay_over, rows_in
from policy.facts.overlays import DOCUMENTS, Overlay
from policy.facts.product_names import check_product_names
from policy.facts.switches import Switches
from policy.facts.tables import FactsError, Reader, Written, parse, wrong_in

TOPICS = {
    module.FILE.removesuffix(".toml"): module
    for module in (
        jurisdictions,
        accelerators,
        board_power,
        parts,
        control,
        tiers,
        red_flags,
        switches,
        party_lists,
        estimation,
        training_signals,
        stitching,
    )
}
"""The topics that overlays may speak of, each a file and the module that reads it."""
KEYS = {topic: module.KEYS for topic, module in TOPICS.items()}
FILES = (documents.FILE, countries.FILE, *(module.FILE for module in TOPICS.values()))


def load_facts(overlays: Sequence[Overlay] = ()) -> Facts:
    """The facts that ship with the package, and what lies over them. Raises :class:`policy.facts.tables.FactsError`."""
    return read_facts(_shipped_texts(), overlays)


def rows_below(texts: Mapping[str, str]) -> Written:
    """The rows of the files that ship, as they are written, by topic and table: what overlays are laid over."""
    return _base({name: parse(texts[name], Layer(file=name)) for name in FILES})


def _shipped_texts() -> Mapping[str, str]:
    folder = files("policy.facts")
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in FILES}


def _base(parsed: Mapping[str, Written]) -> Written:
    """One table for each topic, and the documents."""
    topics = {topic: parsed[module.FILE] for topic, module in TOPICS.items()}
    return Written({DOCUMENTS: parsed[documents.FILE], **topics}, Layer(file="facts"))


def read_facts(texts: Mapping[str, str], overlays: Sequence[Overlay] = ()) -> Facts:
    """
    Build the facts from the files' texts, by file name, and overlays. Raises FactsError; nothing is half loaded.

    An error that only an overlay brings about names the overlay's file, also where what it contradicts is shipped.
    """
    try:
        return _read(texts, overlays)
    except FactsError as error:
        raise _of_its_overlay(error, texts, overlays) from error


def _of_its_overlay(error: FactsError, texts: Mapping[str, str], overlays: Sequence[Overlay]) -> FactsError:
    """The same error under the file of the first overlay that brings it about, where it names a shipped one."""
    if error.file in {each.layer.file for each in overlays}:
        return error
    for number in range(len(overlays)):
        if str(_refusal(texts, overlays[:number])) == str(error):
            return error if number == 0 else _under(overlays[number - 1], error)
    return _under(overlays[-1], error) if overlays else error


def _refusal(texts: Mapping[str, str], overlays: Sequence[Overlay]) -> FactsError | None:
    try:
        _read(texts, overlays)
    except FactsError as error:
        return error
    return None


def _under(overlay: Overlay, error: FactsError) -> FactsError:
    problem = f"{error.problem}, in {error.file} with this overlay over it"
    return wrong_in(overlay.layer, error.table, error.field, problem, error.remedy)


def _read(texts: Mapping[str, str], overlays: Sequence[Overlay]) -> Facts:
    parsed = {name: parse(texts[name], Layer(file=name)) for name in FILES}
    base = _base(parsed)
    for topic, keys in KEYS.items():
        _check_keys(base[topic], keys)
    _check_keys(parsed[countries.FILE], countries.KEYS)
    content = lay_over(base, overlays, KEYS)
    known = documents.read_documents(content[DOCUMENTS])
    countries.read_names(parsed[countries.FILE])
    digest = digest_of(
        {
            "facts": content,
            "names": parsed[countries.FILE],
            "layers": [
                (layer.kind, layer.name, layer.reason, layer.decided_on) for layer in (o.layer for o in overlays)
            ],
        }
    )
    facts = _facts(content, Reader(documents=known), texts, tuple(overlays), digest)
    _check_switches(facts.control, facts.switches)
    return facts


def _facts(
    content: Written, reader: Reader, texts: Mapping[str, str], overlays: tuple[Overlay, ...], files_digest: str
) -> Facts:
    catalogue = accelerators.read_accelerators(reader, content["accelerators"])
    check_product_names(catalogue)
    return Facts(
        documents=reader.documents,
        jurisdictions=jurisdictions.read_jurisdictions(reader, content["jurisdictions"]),
        accelerators=catalogue,
        board_power=board_power.read_board_power(reader, content["board_power"], catalogue),
        parts=parts.read_parts(reader, content["parts"], catalogue),
        control=control.read_control(reader, content["control"], catalogue),
        tiers=tiers.read_tiers(reader, content["tiers"]),
        red_flags=red_flags.read_red_flags(reader, content["red_flags"]),
        switches=switches.read_switches(reader, content["switches"]),
        party_lists=party_lists.read_party_lists(reader, content["party_lists"]),
        estimation=estimation.read_estimation(reader, content["estimation"]),
        training_signals=training_signals.read_training_signals(reader, content["training_signals"]),
        stitching=stitching.read_stitching(reader, content["stitching"]),
        texts=texts,
        overlays=overlays,
        files_digest=files_digest,
    )


def _check_switches(rules: Control, known: Switches) -> None:
    """Raise FactsError for a presumption whose switch there is not."""
    for each in rules.presumption:
        if each.switch not in known.by_id:
            raise wrong_in(
                each.source.layer,
                f"[presumption] {each.id}",
                "switch",
                f"there is no switch {each.switch!r}",
                f"use one of: {', '.join(known.by_id)}",
            )


def _check_keys(tables: Written, keys: Mapping[str, tuple[str, ...]]) -> None:
    """Raise FactsError for rows that are no list of tables, and for two that cannot be told from each other."""
    for table, key in keys.items():
        check_told_apart(rows_in(tables, table, f"[[{table}]]"), key, table)
