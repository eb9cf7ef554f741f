"""Accelerators as subjects, from the counters of nodes to findings, through the engine and its ledger."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.engines import FACTS, PACK, an_engine
from support.kyc import customers_of
from support.usage import ANode, a_holder, a_moment

from policy.replay import replay
from policy.rules.finding import Finding, Strength, SubjectKind
from policy.usage.sources.target import Heard, TargetState

ASCEND = "Huawei device d802"
PRESUMED, DEVELOPER_UNKNOWN = "accelerator-presumed-subject-to-ear", "accelerator-developer-unknown"


class AFleet:
    """Nodes that answer an engine, which keeps a ledger of ten days."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[ANode] = []
        self.engine = an_engine(folder, source=lambda _: self._heard())

    def _heard(self) -> Sequence[Heard]:
        return [
            Heard(
                target=f"http://{node.name}/metrics",
                state=TargetState.OK,
                detail="",
                node=node.name,
                counters=node.snapshot(),
            )
            for node in self.nodes
        ]

    def findings(self, seconds: float) -> tuple[Finding, ...]:
        """What a cycle at that moment finds about accelerators."""
        found = self.engine.cycle(a_moment(seconds)).findings
        return tuple(each for each in found if each.subject_kind is SubjectKind.ACCELERATOR)


@pytest.fixture
def fleet(tmp_path: Path) -> AFleet:
    """A fleet without nodes."""
    return AFleet(tmp_path)


def test_what_nobody_holds_is_found(fleet: AFleet) -> None:
    """An accelerator that nobody uses is found on every node where it stands, in one finding without a tenant."""
    fleet.nodes = [ANode(name=name, accelerator=ASCEND).run(60, [], []) for name in ("node-b", "node-a")]
    fleet.nodes.append(ANode(name="node-c").run(60, [a_holder()]))
    (finding,) = fleet.findings(60)
    assert (finding.rule_id, finding.subject_id, finding.strength) == (PRESUMED, ASCEND, Strength.PRESENT)
    assert (finding.nodes, finding.run_ids, finding.comparisons) == (("node-a", "node-b"), (), ())
    assert "t-1" not in str(finding)


def test_who_uses_it_does_not_matter(fleet: AFleet) -> None:
    """The finding about an accelerator that somebody uses is that about one that nobody uses."""
    fleet.nodes = [ANode(name="node-a", accelerator=ASCEND).run(60, [a_holder()])]
    (finding,) = fleet.findings(60)
    assert (finding.rule_id, finding.nodes) == (PRESUMED, ("node-a",))


def test_a_developer_that_nobody_knows(fleet: AFleet) -> None:
    """An accelerator whose developer is not known is a finding of its own."""
    fleet.nodes = [ANode(accelerator="Example 1").run(60, [])]
    (finding,) = fleet.findings(60)
    assert (finding.rule_id, finding.subject_id, finding.severity) == (DEVELOPER_UNKNOWN, "Example 1", "low")


def test_a_new_node_is_one_more(fleet: AFleet) -> None:
    """A node that comes later is added to the finding of the same subject."""
    first = ANode(name="node-a", accelerator=ASCEND).run(60, [])
    fleet.nodes = [first]
    (before,) = fleet.findings(60)
    first.run(300, [])
    fleet.nodes.append(ANode(name="node-b", accelerator=ASCEND, began=60, now=60).run(300, []))
    (after,) = fleet.findings(360)
    assert (before.nodes, after.nodes) == (("node-a",), ("node-a", "node-b"))
    assert before.subject_key == after.subject_key


def test_what_is_gone_is_found_for_the_look_back(fleet: AFleet) -> None:
    """An accelerator that was taken away is still found for as long as the look-back has it, and not after."""
    fleet.nodes = [ANode(accelerator=ASCEND).run(60, [])]
    assert len(fleet.findings(60)) == 1
    fleet.nodes = []
    assert len(fleet.findings(9 * 86400)) == 1
    assert fleet.findings(11 * 86400) == ()


def test_replay_says_it_at_the_runs(fleet: AFleet) -> None:
    """A replay knows accelerators from windows alone, and shows findings about one at every run that used it."""
    fleet.nodes = [
        ANode(name="node-a", accelerator=ASCEND).run(60, [a_holder()]),
        ANode(name="node-b").run(60, [a_holder("pod-1")]),
    ]
    fleet.findings(60)
    windows = fleet.engine.ledger.read("windows")
    replayed = replay(windows, customers=customers_of(), facts=FACTS, pack=PACK, at=a_moment(60))
    said = {row["run"]: row["findings"] for row in replayed.to_dicts()}
    assert f"{PRESUMED} (present)" in said["pod-0"]
    assert f"{PRESUMED} (present)" not in said["pod-1"]
