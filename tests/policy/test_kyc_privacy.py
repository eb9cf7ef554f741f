"""What is kept about parties, and that nothing of natural persons comes to lie beside it."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.kyc import ROW, a_file
from support.kyc_store import HEADER, brought, imported, said

import policy.__main__ as command
from policy.judgement.runs import RUNS
from policy.kyc.importing import accounts, statements
from policy.kyc.problems import KycError
from policy.kyc.registers.allocations import read_allocations
from policy.kyc.repeated import repeated
from policy.kyc.statements import STATEMENTS, Statement
from policy.kyc.store.store import Store
from policy.kyc.store.versions import VERSIONED
from policy.kyc.vocabulary import PREDICATES
from policy.rules.subject import ACCELERATORS, SUBJECTS

KEPT_OF_PARTIES = {
    "acts_for", "address", "address_country", "affiliate_of", "alias", "branch_of", "controlled_by", "customer",
    "declared_number_format", "declared_use", "declared_workload", "directed_by", "dissolved_on",
    "end_use_military_intelligence",
    "end_use_scope", "end_use_signatory", "end_use_signed_on", "end_use_wmd", "first_order_on", "headquarters_country",
    "identifier", "incorporated_on", "kind", "line_of_business", "listed_on", "management_country", "name",
    "needs_accelerators", "not_listed_as", "owned_by", "parent", "payer", "presence", "principal_place_country",
    "registered_country", "reseller", "same_as", "screened", "successor", "tenancy", "ultimate_parent", "verified_on",
}  # fmt: skip
"""Every predicate. Whoever adds one says here that it is meant to be kept."""
KEPT_OF_NATURAL_PERSONS = {"kind", "name", "alias", "listed_on", "not_listed_as", "screened"}
KEPT_OF_A_STATEMENT = {
    "subject", "predicate", "value", "detail", "share_low_percent", "share_high_percent", "begins", "ends", "source",
    "document", "confidence", "as_of", "known_from", "known_to",
}  # fmt: skip
A_RUN_HAS = {
    "accelerators", "beat_windows", "blind_calm_seconds", "blind_loaded_seconds", "board_joules", "board_seconds",
    "busy_seconds", "busy_windows", "calm_seconds", "dram_active_seconds", "dram_observed_seconds", "energy_joules",
    "energy_observed_seconds", "first_seen", "full_level_seconds", "held_seconds", "high_flop", "high_level_seconds",
    "idle_level_seconds", "idle_windows", "init_seconds", "known_windows", "largest_pod_devices", "last_seen",
    "latest_trough_unix", "likely_flop", "loaded_seconds", "low_flop", "low_level_seconds", "memory_byte_seconds",
    "memory_observed_seconds", "meterings", "methods", "misfit_seconds", "most_init_seconds", "no_estimate_reasons",
    "nodes", "number_formats", "nvlink_bytes", "nvlink_observed_seconds", "observed_seconds", "pcie_bytes",
    "pcie_observed_seconds", "peak_devices", "period_square_sum", "period_sum", "piece_count", "pieces",
    "power_observed_seconds", "power_square_watt2_seconds", "rhythm_windows", "run_id", "shared_busy_seconds",
    "shared_observed_seconds", "shared_seconds", "sm_active_seconds", "sm_observed_seconds", "synchrony_sum",
    "synchrony_windows", "tenant_id", "tensor_active_seconds", "tensor_observed_seconds", "turns",
    "uncounted_windows", "unnamed_accelerator", "unobserved_seconds", "unwatched_seconds", "windows", "workload_kind",
    "workload_name", "workload_namespace",
}  # fmt: skip
"""Every column of a run."""
RULES_SEE = A_RUN_HAS | {
    "activities", "activity_reason", "changed", "changed_reason", "controlled_by_letter", "controlled_by_listed",
    "day", "declared_use_contradicted", "declared_workload", "differing", "effort_id",
    "end_use_military_intelligence", "end_use_reason", "end_use_sources", "end_use_wmd", "evidence", "flag_count",
    "flag_reason", "flag_sources", "flags", "group_device_hours", "group_high_flop", "group_id",
    "group_largest_high_flop", "group_largest_low_flop", "group_largest_share", "group_likely_flop", "group_low_flop",
    "group_runs", "hardware_reason", "hardware_sources", "highest_paragraph", "hq_behalf", "hq_in_scope", "hq_own",
    "hq_parent", "hq_reason", "hq_sources", "lacking", "law_at", "link_reason", "link_state", "list_codes",
    "list_law_at", "list_reason", "list_sources", "listed", "named_hardware", "near_tier_runs", "owner_listed",
    "owner_listed_below", "owner_listed_rule_off", "owner_listed_rule_on", "owner_possible", "pattern_bursts_in_step",
    "pattern_count", "pattern_duty_cycling", "pattern_energy_misfit", "pattern_fragmented", "pattern_gaps_under_load",
    "pattern_power_burner", "pattern_power_capped", "pattern_steady_service", "pattern_waiting_while_busy",
    "patterns", "possession", "restricted", "restricted_by_some", "run_device_hours", "run_high_flop",
    "run_likely_flop", "run_low_flop", "score", "subject_id", "subject_kind", "tenancy", "tenant_device_hours",
    "tenant_high_flop", "tenant_likely_flop", "tenant_low_flop", "unobserved_ratio", "us_person", "verdict",
}  # fmt: skip
"""Every field that a rule about runs can use. Whoever adds one says here that it is meant to be seen."""
NEVER = re.compile(
    "nationalit|citizen|birth|born|language|gender|sex|religio|ethnic|race|origin|passport|tongue|marital|photo|age$",
    re.IGNORECASE,
)
"""What no name of a predicate, a column or a field has in it."""
OF_PERSONS = ("nationality", "citizenship", "birth_date", "birthPlace", "language", "gender", "religion", "ethnicity")


def test_what_is_kept_of_parties() -> None:
    """Exactly these predicates and columns are kept; a new one fails here until somebody says that it is meant."""
    assert set(PREDICATES) == KEPT_OF_PARTIES
    assert set(STATEMENTS) == KEPT_OF_A_STATEMENT
    assert set(VERSIONED) == KEPT_OF_A_STATEMENT | {"change", "statement", "part"}


def test_what_is_kept_of_natural_persons() -> None:
    """Of a natural person only what it is called and what lists say of it."""
    assert {name for name, each in PREDICATES.items() if each.of_natural_persons} == KEPT_OF_NATURAL_PERSONS


def test_what_files_may_have() -> None:
    """No column that a file may have goes beyond what is kept."""
    assert set(statements.COLUMNS.known) == KEPT_OF_A_STATEMENT - {"known_to"} | {"share_percent"}
    assert set(accounts.COLUMNS.known) == {*ROW, "ultimate_parent_name", "ultimate_parent_country", "declared_use",
                                           "ultimate_parent_share_percent"}  # fmt: skip


@pytest.mark.parametrize(
    "names",
    [PREDICATES, STATEMENTS, VERSIONED, accounts.TENANTS, statements.COLUMNS.known, RUNS, SUBJECTS, ACCELERATORS],
)
def test_no_name_is_about_a_person(names: list[str]) -> None:
    """No predicate, column or field that a rule can use is about where a person comes from."""
    assert not [name for name in names if NEVER.search(name)]


def test_no_word_is_about_a_person() -> None:
    """Nor is any word that a value or a detail may be."""
    words = {str(word) for each in PREDICATES.values() for word in (*each.words, *each.details)}
    assert not [word for word in words if NEVER.search(word)]


def test_rules_see_no_name_and_no_country() -> None:
    """Rules can ask exactly this about a run: no party's name and no country, only answers."""
    assert set(RUNS) == A_RUN_HAS
    assert set(SUBJECTS) == RULES_SEE
    assert not [name for name in SUBJECTS if re.search("country|address|party_name|alias|use$", name)]


@pytest.mark.parametrize("column", OF_PERSONS)
@pytest.mark.parametrize("form", ["statements", "accounts", "statements as JSON", "accounts as JSON"])
def test_columns_of_persons_are_refused(tmp_path: Path, column: str, form: str) -> None:
    """A file that has such a column is refused whatever else is in it, by any choice, and nothing of it is kept."""
    path = tmp_path / "persons.jsonl"
    match form:
        case "statements":
            path = said(tmp_path, "p-1,headquarters_country,DE", header=f"{HEADER},{column}")
        case "accounts":
            path = a_file(tmp_path, {column: "Secretland"}, columns=(*accounts.TENANTS, column))
        case "statements as JSON":
            path.write_text(
                json.dumps({"subject": "p-1", "predicate": "kind", "value": "branch", column: "Secretland"})
            )
        case _:
            path.write_text(json.dumps(ROW | {column: "Secretland"}))
    store = Store.open(tmp_path / "store")
    with pytest.raises(KycError, match=column) as caught:
        imported(store, path, rest=True)
    assert "Secretland" not in str(caught.value)
    assert store.versions() == ()


@pytest.mark.parametrize("predicate", OF_PERSONS)
def test_predicates_of_persons_are_refused(tmp_path: Path, predicate: str) -> None:
    """What is not a predicate is no statement, and beside good rows it is reported and not kept."""
    path = said(tmp_path, "p-1,kind,branch", f"n-1,{predicate},Secretland")
    assert brought(path).files[0].read.reported == 1
    store = Store.open(tmp_path / "store")
    imported(store, path, rest=True)
    assert set(store.read().frame["predicate"]) == {"kind"}
    assert b"Secretland" not in every_byte(store.folder)


def test_logs_and_manifests_have_no_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """After imports that go well and ill no log, no manifest and nothing that is printed has a party's name."""
    caplog.set_level(logging.DEBUG)
    secret = {"party_name": "Secret Party", "ultimate_parent_name": "Secret Parent", "declared_use": "Secret Use"}
    good = a_file(tmp_path, secret | {"ultimate_parent_id": "p-1"}, {"tenant_id": "t-2"})
    arguments = ["--source", "crm", "--tenants", str(tmp_path / "store")]
    assert command.main(["tenants", "import", str(good), *arguments]) == 0
    bad = a_file(
        tmp_path, secret, {"tenant_id": "Secret Tenant", "party_name": " Secret Party", "acts_for": "Secret X"}
    )
    assert command.main(["tenants", "import", str(bad), *arguments]) == 1
    bad = said(
        tmp_path, "t-1,Secret,Secret Party", "p-1,name,Secret\tName", "Secret Party,name,x", "p-2,name,Secret Name"
    )
    assert command.main(["tenants", "import", str(bad), *arguments, "--accept-rest", "--format", "json"]) == 0
    assert command.main(["tenants", "list", *arguments[2:]]) == 0
    assert command.main(["tenants", "show", "t-1", *arguments[2:]]) == 0
    told = capsys.readouterr()
    manifests = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*.json"))
    assert "Secret" not in told.out + told.err + caplog.text
    assert b"Secret" not in manifests


NAMES = ("Secret", "Secret Person Jane Doe", "secret", "Secret-Person", "Geheim Ärztin", "Secret Person 1980", "S" * 41)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", accounts.TENANTS.names())
def test_no_problem_repeats_a_name_in_any_column(tmp_path: Path, column: str, name: str) -> None:
    """In a shifted row any cell may hold a name: whatever the column, no problem repeats it."""
    bad = {"as_of": "soon", "ultimate_parent_id": "p-1"} | {column: name}
    found = brought(a_file(tmp_path, bad, bad)).files[0].read
    assert found.problems
    assert name not in repr(found.problems)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", statements.COLUMNS.known)
def test_no_problem_of_statements_repeats_a_name(tmp_path: Path, column: str, name: str) -> None:
    """Nor does one about a file of statements, in whatever column."""
    row = dict.fromkeys(statements.COLUMNS.known, "") | {
        "subject": "p-1", "predicate": "kind", "value": "branch", "as_of": "soon"
    }  # fmt: skip
    found = brought(said(tmp_path, ",".join((row | {column: name}).values()), header=",".join(row))).files[0].read
    assert found.problems
    assert name not in repr(found.problems)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("column", ["node", "serial", "accelerator", "devices", "tenant_id", "from", "to", "tenancy"])
def test_no_problem_of_a_register_repeats_a_name(tmp_path: Path, column: str, name: str) -> None:
    """Nor does one about the register of allocations."""
    row = {"node": "n-1", "serial": "s-1", "accelerator": "H100", "devices": "x", "tenant_id": "t-1",
           "from": "2026-06-01", "to": "", "tenancy": "shared", "source": "crm"}  # fmt: skip
    path = tmp_path / "allocations.csv"
    path.write_text("\n".join([",".join(row), ",".join((row | {column: name}).values())]) + "\n", encoding="utf-8")
    with pytest.raises(KycError) as caught:
        read_allocations(path)
    assert name not in repr(caught.value.problems)


@pytest.mark.parametrize("text", ["", "DEU", "uk", "2026-02-30", "01/07/2026", "62,5", "-5", "t-1", " t-1", "Self"])
def test_what_problems_repeat(text: str) -> None:
    """A code, a day, a number, an id and a word of ours help whoever has to find the cell, and are repeated."""
    assert repeated(text) == repr(text)


def test_free_text_is_shown_with_names_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Details and documents in anybody's words are shown with --names, references always; no source line has words."""
    until = (datetime.now(UTC).date() + timedelta(days=300)).isoformat()
    rows = [
        "t-1,customer,p-1,,,", "p-1,controlled_by,p-2,Geheim brother of the owner,Geheim scan.pdf,",
        f"p-1,not_listed_as,EL:77@ab12,Geheim reason,call with Geheim,{until}",
        "p-1,identifier,4711,lei,sha256:00ff77,", "p-1,address,1 Example Street,office,register-4711,",
        "p-1,screened,possible,EL:1@a1 SDN:2@b2,,",
    ]  # fmt: skip
    path = str(said(tmp_path, *rows, header="subject,predicate,value,detail,document,ends"))
    for part in ("show", "explain"):
        for form in ("table", "json"):
            assert command.main(["tenants", part, "t-1", "--tenants", path, "--format", form]) == 0
            told = capsys.readouterr().out
            assert "Geheim" not in told
            assert "sha256:00ff77" in told
    assert command.main(["tenants", "show", "t-1", "--tenants", path, "--format", "json"]) == 0
    told = capsys.readouterr().out
    assert all(f'"{word}"' in told for word in ("lei", "office", "register-4711", "EL:1@a1 SDN:2@b2"))
    assert command.main(["tenants", "show", "t-1", "--tenants", path, "--names", "--format", "json"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("Geheim brother", "Geheim scan.pdf", "Geheim reason"))
    assert Statement("p-1", "kind", "branch", document="Geheim scan").line.endswith("a document")


def test_manifests_have_places_and_no_values(tmp_path: Path) -> None:
    """Of rows that were not taken a manifest has where they are and what is wrong, and nothing that stands in them."""
    store = Store.open(tmp_path / "store")
    rows = [
        {"tenant_id": "xx-77", "ultimate_parent_id": "yy-88"}, {"tenant_id": "zz-99", "ultimate_parent_id": "xx-77"},
        {"tenant_id": "vv-55", "ultimate_parent_id": "ww-66", "ultimate_parent_country": "SG"},
        {"tenant_id": "uu-44", "ultimate_parent_id": "ww-66", "ultimate_parent_country": "CN"},
        {"tenant_id": "uu-44"}, {"tenant_id": "t-1", "headquarters_country": "QQQ"}, {"tenant_id": "t-2"},
    ]  # fmt: skip
    imported(store, a_file(tmp_path, *rows), rest=True)
    (version,) = store.versions()
    reported = repr(version.manifest.reported)
    assert {each.place.partition(", ")[0] for each in version.manifest.reported} == {
        f"tenants.csv:{line}" for line in range(3, 8)
    }  # fmt: skip
    assert not re.search("xx-77|yy-88|zz-99|vv-55|ww-66|uu-44|QQQ|SG|CN", reported)


def every_byte(folder: Path) -> bytes:
    """Everything in a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
