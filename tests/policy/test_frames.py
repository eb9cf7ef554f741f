import polars as pl

from policy.frames import plain_zero


def test_zero_has_no_sign() -> None:
    """What rounds to -0 is shown as 0; every other number, and what is not known, stays as it is."""
    frame = pl.DataFrame({"number": [-0.0004, -0.0, 0.0, -1.0, 2.0, None]}, schema={"number": pl.Float64})
    shown = frame.select(number=plain_zero(pl.col("number").round(3)))["number"].to_list()
    assert [str(number) for number in shown] == ["0.0", "0.0", "0.0", "-1.0", "2.0", "None"]
