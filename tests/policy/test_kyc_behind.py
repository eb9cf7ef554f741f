from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried
from support.kyc_cases import said, view_of

from policy.kyc.directory import Directory
from policy.kyc.headquarters.behind import Behind, parties_behind
from policy.kyc.view import View

AT = date(2026, 6, 1)
IDS = ["t-1", "t-2", "t-3", "p-1", "p-2", "p-3"]


def behind(*lines: str) -> Behind:
    """Who is behind the tenant of all tests."""
    return parties_behind(view_of(*lines), "t-1", AT)


def test_customers_and_resellers() -> None:
    """Of an account its customers and its resellers are told apart, and both are among everybody."""
    found = behind("t-1 customer p-1", "t-1 reseller p-9", "t-1 acts_for self")
    assert (found.customers, found.resellers, found.acted_for) == (("p-1",), ("p-9",), ())
    assert found.everybody == ("p-1", "p-9")


def test_whom_a_customer_acts_for_in_the_end() -> None:
    """Whoever an account or its customer acts for is followed from one to the next, and a circle ends."""
    lines = ("t-1 customer p-1", "t-1 acts_for p-2", "p-1 acts_for p-3", "p-3 acts_for p-4", "p-4 acts_for p-3")
    assert set(behind(*lines).acted_for) == {"p-2", "p-3", "p-4"}


def test_whom_a_reseller_acts_for() -> None:
    """Whoever resells an account is asked for whom it acts as well."""
    assert behind("t-1 customer p-1", "t-1 reseller p-9", "p-9 acts_for p-2").acted_for == ("p-2",)


def test_an_account_that_is_acted_for_means_its_parties() -> None:
    """Where somebody acts for another account, its customers are meant, and whoever these act for."""
    lines = ("t-1 customer p-1", "t-1 acts_for t-2", "t-2 customer p-2", "t-2 acts_for p-3", "p-2 acts_for p-4")
    assert set(behind(*lines).acted_for) == {"p-2", "p-3", "p-4"}


def test_one_id_for_account_and_party() -> None:
    """A provider's record that is account and customer in one is told once."""
    found = behind("t-1 customer t-1", "t-1 acts_for t-2", "t-2 customer t-2")
    assert found.everybody == ("t-1", "t-2")


def test_an_unknown_customer_is_there_as_unknown() -> None:
    """Where a customer is not known the account stands for it, so that no question about all is cleared by others."""
    assert behind().everybody == ("t-1",)
    assert behind("t-1 reseller p-9").everybody == ("t-1", "p-9")
    assert behind("t-1 reseller p-9", "t-1 customer p-9").everybody == ("p-9", "t-1")
    assert behind("t-1 customer p-1", "t-1 acts_for t-2", "t-2 reseller p-9").acted_for == ("t-2", "p-9")


def test_only_what_holds_on_the_day() -> None:
    """Whoever was acted for until the day, or from a later one on, is not."""
    lines = ("t-1 customer p-1", "t-1 acts_for p-2 ends=2026-06-01", "t-1 acts_for p-3 begins=2026-06-02")
    assert behind(*lines).acted_for == ()


SAYINGS = st.builds(
    "{} {} {}".format, st.sampled_from(IDS), st.sampled_from(["customer", "reseller", "acts_for"]), st.sampled_from(IDS)
)


@unhurried
@given(st.lists(SAYINGS, max_size=12), st.permutations(range(12)))
def test_the_same_whatever_the_order(lines: list[str], order: list[int]) -> None:
    """Everybody is found whatever is known in whatever order, and in what a directory gives around the tenant."""
    shuffled = [lines[each] for each in order if each < len(lines)]
    found = parties_behind(view_of(*lines), "t-1", AT)
    around = Directory.of(map(said, lines)).around(["t-1"]).part("t-1")
    for other in (View(map(said, shuffled)), around):
        assert set(parties_behind(other, "t-1", AT).everybody) == set(found.everybody)
