import fnmatch
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import START, a_window, unhurried, windows_frame

from policy.frames import schema
from policy.kyc.registers.globs import GlobError, check_glob, matches
from policy.kyc.registers.mapping import LINK, link_windows
from policy.kyc.registers.mapping_rules import CRITERIA, KEYS, MappingError, MappingRule, parse_mappings, read_mappings
from policy.usage.window import WINDOWS

GOOD = """
[[mapping]]
tenant = "t-9"
cluster = "c-1"
namespace = "team-*"
node_pool = "a100-*"
project = "effort-[0-9]"
because = "order form 4711"
decided_by = "provisioning"
from = 2026-06-01
to = 2026-07-01
"""
HEAD = '[[mapping]]\ntenant = "t-9"\nbecause = "x"\ndecided_by = "y"\n'


def a_rule(tenant: str = "t-9", **different: Any) -> MappingRule:
    """A rule for every namespace, unless the test says otherwise."""
    values: dict[str, Any] = {"number": 1, "because": "order form", "decided_by": "provisioning", "namespace": "*"}
    return MappingRule(tenant=tenant, **(values | different))


def linked(
    *rules: MappingRule, clusters: dict[str, str] | None = None, **different: Any
) -> tuple[str | None, str, str]:
    """How one window is linked: tenant, basis, note."""
    found = link_windows(windows_frame(a_window(**different)), rules, (clusters or {}).get)
    tenant, basis, note = found.select("tenant_id", "link_basis", "link_note").row(0)
    return tenant, basis, note


def test_a_file_of_rules(tmp_path: Path) -> None:
    """Every key of a rule is read, in the order of the file; an empty file has no rules."""
    path = tmp_path / "mapping.toml"
    path.write_text(GOOD + HEAD + 'namespace = "a"\n', encoding="utf-8")
    first, second = read_mappings(path)
    assert first == MappingRule(
        number=1,
        tenant="t-9",
        cluster="c-1",
        namespace="team-*",
        node_pool="a100-*",
        project="effort-[0-9]",
        because="order form 4711",
        decided_by="provisioning",
        begins=date(2026, 6, 1),
        ends=date(2026, 7, 1),
    )
    assert (second.number, second.begins, second.cluster) == (2, None, None)
    assert parse_mappings("", "mapping.toml") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[mapping]", "mapping.toml, line 1, column 10: is no TOML"),
        ("[mapping]\n", "mapping.toml, whole file: has something else"),
        ("mapping = [1]", "mapping.toml, whole file: has something else"),
        ("[[mappings]]\n", "mapping.toml, whole file: has something else"),
        (HEAD, "mapping.toml, [[mapping]] 1, whole table: fits every workload"),
        (HEAD + 'namespace = "a"\n' + HEAD, "mapping.toml, [[mapping]] 2, whole table: fits every workload"),
        (HEAD + 'name_space = "a"', "mapping.toml, [[mapping]] 1, a key: is none of a mapping's"),
        (HEAD + 'namespace = "a"\nbegins = 2026-06-01', "[[mapping]] 1, a key: is none of a mapping's"),
        (HEAD + 'namespace = ""', "[[mapping]] 1, namespace: is no text"),
        (HEAD + "namespace = 7", "[[mapping]] 1, namespace: is no text"),
        (HEAD + 'namespace = "a\\nb"', "[[mapping]] 1, namespace: is no text"),
        (HEAD + 'namespace = "team-["', "[[mapping]] 1, namespace: a bracket is not closed"),
        (HEAD + 'namespace = "[9-0]"', "[[mapping]] 1, namespace: the range 9-0 is backwards"),
        (HEAD + 'namespace = "a"\nfrom = "2026-06-01"', "[[mapping]] 1, from: is no day"),
        (HEAD + 'namespace = "a"\nfrom = 2026-06-01T00:00:00Z', "[[mapping]] 1, from: is no day"),
        (HEAD + 'namespace = "a"\nfrom = 2026-06-01\nto = 2026-06-01', "[[mapping]] 1, to: is not after from"),
        (HEAD.replace('because = "x"\n', "") + 'namespace = "a"', "[[mapping]] 1, because: is missing"),
        (HEAD.replace('decided_by = "y"\n', "") + 'namespace = "a"', "[[mapping]] 1, decided_by: is missing"),
        (HEAD.replace("t-9", "unknown") + 'namespace = "a"', "[[mapping]] 1, tenant: every row needs a tenant"),
        (HEAD.replace("t-9", "t 9") + 'namespace = "a"', "[[mapping]] 1, tenant: has white space"),
        ("a = " + "[" * 10_000, "mapping.toml, "),
        ("a = " + "1" * 5_000, "mapping.toml, whole file: is no TOML"),
    ],
)
def test_bad_rules(text: str, said: str) -> None:
    """What is wrong is said in one line: file, table, field, and what to do."""
    with pytest.raises(MappingError) as caught:
        parse_mappings(text, "mapping.toml")
    assert said in str(caught.value)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_errors_repeat_no_value() -> None:
    """No value and no unknown key of the file is repeated: it may be anybody's name."""
    for text in ('[[mapping]]\n"Example Holding" = 1', HEAD + 'namespace = "Example Holding["', "Example = Holding"):
        with pytest.raises(MappingError) as caught:
            parse_mappings(text, "mapping.toml")
        assert "Example" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, and one in another encoding, are said like any other fault."""
    with pytest.raises(MappingError, match="cannot be read"):
        read_mappings(tmp_path / "mapping.toml")
    (tmp_path / "mapping.toml").write_bytes(b"\xff")
    with pytest.raises(MappingError, match="is not UTF-8"):
        read_mappings(tmp_path / "mapping.toml")


def test_the_claim_stands_where_no_rule_says_otherwise() -> None:
    """A claim alone is the tenant, also beside rules that do not fit."""
    assert linked() == ("t-1", "claim", "the claim names t-1; no mapping rule fits")
    assert linked(a_rule(namespace="other"))[:2] == ("t-1", "claim")


def test_a_rule_alone_gives_its_tenant() -> None:
    """A workload that nobody claims is its rule's tenant's, and the note names the rule."""
    assert linked(a_rule(number=3), tenant_id=None) == (
        "t-9",
        "mapping",
        "no tenant was claimed; mapping rule 3 names t-9",
    )


def test_claim_and_rule_agree() -> None:
    """A claim that a rule confirms stays a claim."""
    assert linked(a_rule("t-1")) == ("t-1", "claim", "the claim names t-1; mapping rule 1 names t-1")


def test_claim_and_rule_differ() -> None:
    """A workload that is claimed by one tenant and mapped to another is nobody's, and the note names both."""
    assert linked(a_rule("t-9")) == (
        None,
        "ambiguous",
        "the claim names t-1; mapping rule 1 names t-9; so it is nobody's until that is settled",
    )


def test_two_rules_differ() -> None:
    """Two rules that name different tenants leave the workload nobody's; two that agree do not."""
    rules = (a_rule("t-8", number=1), a_rule("t-9", number=2))
    named = "no tenant was claimed; mapping rule 1 names t-8; mapping rule 2 names t-9"
    note = f"{named}; so it is nobody's until that is settled"
    assert linked(*rules, tenant_id=None) == (None, "ambiguous", note)
    assert linked(*rules, tenant_id="t-8")[:2] == (None, "ambiguous")
    assert linked(a_rule(number=1), a_rule(number=2), tenant_id=None)[:2] == ("t-9", "mapping")


def test_nothing_says_whose_it_is() -> None:
    """A workload without a claim and without a rule is nobody's."""
    assert linked(tenant_id=None) == (None, "none", "no tenant was claimed; no mapping rule fits")


def test_the_registers_windows_rest_on_it() -> None:
    """A window of the allocation register keeps its tenant by that basis, unless a rule names another."""
    registered = {"metering": "allocation", "workload_namespace": "allocation", "workload_pod": None}
    assert linked(**registered)[1:] == ("allocation", "the allocation register names t-1; no mapping rule fits")
    assert linked(a_rule("t-9"), **registered)[:2] == (None, "ambiguous")


@pytest.mark.parametrize(
    ("criteria", "fits"),
    [
        ({"namespace": "space-?"}, True),
        ({"namespace": "SPACE-A"}, False),
        ({"namespace": "space"}, False),
        ({"namespace": "*", "node_pool": "node-[ab]"}, True),
        ({"namespace": "*", "node_pool": "node-[!a]"}, False),
        ({"namespace": None, "project": "eff*"}, True),
        ({"namespace": None, "cluster": "c-*"}, True),
        ({"namespace": None, "cluster": "c-2"}, False),
        ({"namespace": "space-a", "cluster": "c-1", "node_pool": "node-a", "project": "other"}, False),
    ],
)
def test_all_patterns_of_a_rule_must_fit(criteria: dict[str, str | None], fits: bool) -> None:
    """A rule fits where all of its patterns do."""
    found = linked(a_rule(**criteria), clusters={"node-a": "c-1"}, tenant_id=None)
    assert found[:2] == (("t-9", "mapping") if fits else (None, "none"))


def test_what_is_not_known_fits_no_pattern() -> None:
    """A star does not stand for a namespace, node, cluster or name that nobody knows."""
    unknown = dict.fromkeys(("node", "workload_namespace", "workload_name", "workload_pod", "tenant_id"))
    for key in CRITERIA:
        assert linked(a_rule(**{"namespace": None, key: "*"}), **unknown)[1] == "none"


def test_a_pod_without_a_workload_goes_by_its_own_name() -> None:
    """Where the workload is not known, the project is held against the pod's name, as a run is called."""
    assert linked(a_rule(namespace=None, project="effort-0"), workload_name=None, tenant_id=None)[0] == "t-9"


@pytest.mark.parametrize(("day", "fits"), [(1, False), (2, True), (3, True), (4, False)])
def test_rules_have_dates(day: int, fits: bool) -> None:
    """A rule holds from its first day until before its last; a window is taken by the day on which it begins."""
    rules = (a_rule(begins=date(2026, 6, 2), ends=date(2026, 6, 4)), a_rule(number=2, begins=date(2027, 1, 1)))
    late = datetime(2026, 6, day, 23, 30, tzinfo=UTC)
    assert linked(*rules, tenant_id=None, window_start=late)[0] == ("t-9" if fits else None)


def test_a_customer_that_moves_in_after_another() -> None:
    """Rules that follow one another in time are not at odds, on any day."""
    rules = (a_rule("t-8", ends=date(2026, 6, 2)), a_rule("t-9", number=2, begins=date(2026, 6, 2)))
    rows = [a_window(tenant_id=None, window_start=datetime(2026, 6, day, tzinfo=UTC)) for day in (1, 2, 3)]
    assert link_windows(windows_frame(*rows), rules)["tenant_id"].to_list() == ["t-8", "t-9", "t-9"]


def test_the_cluster_is_asked_once_for_each_node() -> None:
    """However many windows a node has, its cluster is asked for once, and not at all where no rule needs it."""
    asked: list[str] = []

    def cluster_of(node: str) -> str | None:
        asked.append(node)
        return "c-1"

    windows = windows_frame(*(a_window(workload_pod=f"p-{number}") for number in range(5)))
    link_windows(windows, (a_rule(),), cluster_of)
    assert asked == []
    assert set(link_windows(windows, (a_rule(cluster="c-1"),), cluster_of)["link_basis"]) == {"ambiguous"}
    assert asked == ["node-a"]


NAMES = st.sampled_from(["t-1", "t-2", None])
WORDS = st.sampled_from(["a", "ab", "b", None])
PATTERNS = st.sampled_from(["*", "a*", "?", "[a-b]", None])
DAYS = st.sampled_from([date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 3)])
RULES = st.builds(
    a_rule,
    tenant=st.sampled_from(["t-1", "t-2"]),
    namespace=PATTERNS,
    node_pool=PATTERNS,
    project=PATTERNS,
    cluster=PATTERNS,
    begins=st.none() | DAYS,
    ends=st.none() | DAYS.map(lambda day: day.replace(day=day.day + 3)),
)
ROWS = st.builds(
    a_window,
    tenant_id=NAMES,
    node=WORDS,
    workload_namespace=WORDS,
    workload_name=WORDS,
    window_start=st.integers(0, 5).map(lambda days: START.replace(day=1 + days)),
    hours=st.integers(1, 40),
)


def expected(row: dict[str, Any], rules: list[MappingRule]) -> tuple[str | None, str]:
    """Tenant and basis, said the slow way: one window and one rule after the other."""
    values = {
        "cluster": row["node"],
        "namespace": row["workload_namespace"],
        "node_pool": row["node"],
        "project": row["workload_name"] or row["workload_pod"],
    }
    day = row["window_start"].date()
    named = {
        rule.tenant
        for rule in rules
        if (rule.begins is None or rule.begins <= day)
        and (rule.ends is None or day < rule.ends)
        and all(
            pattern is None or (values[key] is not None and fnmatch.fnmatchcase(values[key], pattern))
            for key in CRITERIA
            for pattern in [getattr(rule, key)]
        )
    }
    said = named | ({row["tenant_id"]} - {None})
    if len(said) > 1:
        return None, "ambiguous"
    basis = "claim" if row["tenant_id"] else "mapping" if said else "none"
    return next(iter(said), None), basis


@unhurried
@given(st.lists(ROWS, max_size=6), st.lists(RULES, max_size=5))
def test_linking_moves_no_hours(rows: list[dict[str, Any]], rules: list[MappingRule]) -> None:
    """Every window comes back as it was but for its tenant, and that is what one rule after the other says."""
    windows = windows_frame(*rows)
    found = link_windows(windows, rules, lambda node: node)
    assert found.schema == schema({**WINDOWS, **LINK})
    others = [name for name in WINDOWS if name != "tenant_id"]
    assert found.select(others).equals(windows.select(others))
    assert found.select("tenant_id", "link_basis").rows() == [expected(row, rules) for row in rows]
    assert found["held_seconds"].sum() == windows["held_seconds"].sum()


ODD = st.text(st.sampled_from("ab-]![*?^\\.&~|$é\n"), max_size=6)


@unhurried
@given(st.lists(ODD, min_size=1), ODD.filter(bool))
def test_patterns_mean_what_a_shell_means(texts: list[str], pattern: str) -> None:
    """A pattern that is taken fits the texts that Python's fnmatch says it fits."""
    try:
        check_glob(pattern)
    except GlobError:
        assert "[" in pattern
        return
    fits = pl.DataFrame({"text": texts}).select(matches(pl.col("text"), pattern)).to_series().to_list()
    assert fits == [fnmatch.fnmatchcase(text, pattern) for text in texts]


A_KEY = st.sampled_from([f'{key} = "a"\n' for key in KEYS])
PIECES = A_KEY | st.sampled_from(["[[mapping]]\n", "[mapping]\n", "from = 2026-06-01\n", "to = 2026-07-01\n", "x"])


@unhurried
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=30)))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever stands in a file of rules, it becomes one rule for each of its tables, or one kind of error."""
    with suppress(MappingError):
        assert len(parse_mappings(text, "mapping.toml")) == text.count("[[mapping]]")


def test_the_rule_that_the_readme_shows_is_one() -> None:
    """The mapping rule in the README can be loaded, and has every key that a rule may have."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    block = readme.partition("    [[mapping]]")[2].partition("\n\n")[0]
    (rule,) = parse_mappings("[[mapping]]" + block.replace("\n    ", "\n"), "README.md")
    assert None not in [getattr(rule, each.name) for each in fields(rule)]
