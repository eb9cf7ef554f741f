"""``flopwatch facts show TOPIC --rows``: how the rows of a topic are written, for whoever writes an overlay."""

import re
from collections.abc import Iterator, Mapping

from policy.facts.documents import FILE as DOCUMENTS_FILE
from policy.facts.facts import Facts
from policy.facts.overlays import DOCUMENTS
from policy.facts.reading import KEYS
from policy.facts.reading import TOPICS as FILE_TOPICS

WRITTEN_IN: Mapping[str, tuple[str, ...]] = {
    "accelerators": ("accelerators", "board_power"),
    "thresholds": ("tiers",),
    "red-flags": ("red_flags",),
    "lists": ("party_lists",),
    "signals": ("training_signals",),
}
"""The topics of overlays in which a topic of ``facts show`` is written, where they are not called as it is."""
A_TABLE = re.compile(r"^(\[\[?)(?=[a-z])", re.MULTILINE)


def rows_of_topic(facts: Facts, topic: str) -> str:
    """The shipped rows with the topic in front of their tables, so that each can be copied; comments stay."""
    return "\n".join(_as_in_an_overlay(facts, each) for each in WRITTEN_IN.get(topic, (topic,)))


def _as_in_an_overlay(facts: Facts, topic: str) -> str:
    file = DOCUMENTS_FILE if topic == DOCUMENTS else FILE_TOPICS[topic].FILE
    head = "\n".join(f"# {line}" for line in _head(topic))
    rows = A_TABLE.sub(rf"\g<1>{topic}.", facts.texts[file])
    return f"{head}\n#\n{rows}"


def _head(topic: str) -> Iterator[str]:
    yield f"As it ships. A file of --facts has an [overlay], and of {topic} only the rows that it changes or adds,"
    yield "each whole, with all that stands under it."
    for table, key in KEYS.get(topic, {}).items():
        yield f"[[{topic}.{table}]] rows are told apart, and taken away by [[remove]], by {', '.join(key)}."
