"""Which accelerators stand on which node, from the balance sheet and from windows."""

from datetime import timedelta
from typing import Any

import polars as pl
from support.judgement import FACTS, H100, START, a_window, windows_frame
from support.usage import ANode, Cycles, a_holder

from policy.judgement.inventory import INVENTORY, NOT_KNOWN, inventory_of, stood_in
from policy.rules.subject import ACCELERATORS, describe_fleet
from policy.usage.window import BALANCE

ASCEND = "Huawei device d802"


def a_row(**different: Any) -> dict[str, Any]:
    """One row of a balance sheet: eight devices that nobody reads, for an hour."""
    return {
        "node": "node-a",
        "provenance": "simulated",
        "accelerator": ASCEND,
        "window_start": START,
        "window_end": START + timedelta(hours=1),
        "state": "physical",
        "reason": None,
        "gpu_seconds": 28_800.0,
        **different,
    }


def balance(*rows: dict[str, Any]) -> pl.DataFrame:
    """What stood on the nodes by a balance sheet of these rows."""
    return stood_in(pl.LazyFrame(list(rows), schema=BALANCE)).collect()


def later(hours: int) -> dict[str, Any]:
    """An hour that begins so many hours later."""
    return {"window_start": START + timedelta(hours=hours), "window_end": START + timedelta(hours=hours + 1)}


def test_what_nobody_holds_is_there() -> None:
    """An accelerator that is in the balance sheet only stands on its node, with all of its time."""
    sheet = balance(a_row(), a_row(**later(1)), a_row(state="blind", reason="foreign_vendor"))
    (row,) = inventory_of(windows_frame(), [sheet]).to_dicts()
    assert (row["node"], row["accelerator"], row["gpu_seconds"]) == ("node-a", ASCEND, 57_600.0)
    assert (row["first_seen"], row["last_seen"]) == (START, START + timedelta(hours=2))


def test_parts_are_the_whole() -> None:
    """The balance sheet in parts makes the same inventory as in one piece."""
    rows = [a_row(node=f"node-{number % 3}", **later(number)) for number in range(7)]
    whole = inventory_of(windows_frame(a_window()), [balance(*rows)])
    assert inventory_of(windows_frame(a_window()), (balance(row) for row in rows)).equals(whole)


def test_from_windows_alone() -> None:
    """Without a balance sheet what was held is there, for as long as it was held or shared."""
    (row,) = inventory_of(windows_frame(a_window(shared_seconds=100.0), a_window(**later(4)))).to_dicts()
    assert (row["accelerator"], row["gpu_seconds"]) == (H100, 57_700.0)
    assert row["last_seen"] == START + timedelta(hours=5)


def test_both_are_counted_once() -> None:
    """Where both know an accelerator its time is that of the balance sheet, and it was seen as long as either says."""
    sheet = balance(a_row(accelerator=H100))
    (row,) = inventory_of(windows_frame(a_window(**later(3))), [sheet]).to_dicts()
    assert (row["gpu_seconds"], row["last_seen"]) == (28_800.0, START + timedelta(hours=4))


def test_what_has_no_name_is_left_out() -> None:
    """A device that nobody names is no accelerator of the inventory."""
    assert inventory_of(windows_frame(a_window(accelerator=None)), [balance(a_row(accelerator=None))]).is_empty()


def test_a_real_balance_sheet() -> None:
    """The engine's own balance of a node that nobody uses tells its accelerators."""
    cycles = Cycles()
    cycles.hear(ANode().run(60, []).snapshot())
    cycles.hear(ANode().run(60, []).run(60, [a_holder()]).snapshot())
    found = inventory_of(windows_frame(), [stood_in(each.lazy()).collect() for each in cycles.balances])
    assert found.schema == INVENTORY
    assert found.select("node", "accelerator", "gpu_seconds").rows() == [("node-a", H100, 120.0)]


def test_a_thousand_nodes_are_one_subject() -> None:
    """The fleet has one subject for each name, with every node that it stands on."""
    rows = [a_row(node=f"node-{number:04}") for number in range(1000)]
    fleet = describe_fleet(inventory_of(windows_frame(), [balance(*rows)]), FACTS.classifier)
    (row,) = fleet.to_dicts()
    assert fleet.schema == ACCELERATORS
    assert (row["subject_kind"], row["subject_id"], row["node_count"]) == ("accelerator", ASCEND, 1000.0)
    assert row["nodes"] == sorted(each["node"] for each in rows)
    assert (row["device"], row["vendor"], row["vendor_known"]) == ("Huawei Ascend 910B", "Huawei", "yes")
    assert row["gpu_hours"] == 8000.0


def test_a_vendor_that_nobody_knows() -> None:
    """A name that tells no vendor has none, and says so."""
    (row,) = describe_fleet(inventory_of(windows_frame(a_window(accelerator="Example 1"))), FACTS.classifier).to_dicts()
    assert (row["device"], row["vendor"], row["vendor_known"]) == (None, None, "no")


def test_a_node_that_nobody_names_has_it_all_the_same() -> None:
    """A recording without nodes tells the accelerators that it knows, on a node that is not known."""
    (row,) = inventory_of(windows_frame(a_window(accelerator=ASCEND, node=None))).to_dicts()
    assert (row["node"], row["accelerator"]) == (NOT_KNOWN, ASCEND)
