"""
One look at a node: what its rows say, and the texts that people read, held against tests/golden/once.

To approve a text anew, delete its golden file and run this test: it writes the file from what the product says, and
fails once, so that somebody reads it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.devices import gpu_uuid
from support.nodes import ToldClock
from support.readings import a_holder, a_reading, an_identity, readings
from support.scenarios import TRAINING, Moment, a_fault, a_node, a_pod, a_script, a_workload, an_instance

from collector.contract import GpuState
from collector.devices import NOT_YET, NodeDevices, Survey
from collector.nvml import Driver
from collector.once import (
    API_SERVER_NEXT,
    DRIVER_NEXT,
    Look,
    Row,
    Source,
    api_server_source,
    check_source,
    driver_source,
    file_source,
    has_answered,
    kubelet_source,
    plain_look,
    rows_of,
)
from collector.pods.troubles import Trouble
from collector.pods.view import NodeView, Stale
from collector.processes.check import ProcessesChecked
from collector.processes.reality import Mismatch, compare
from collector.processes.sharing import DeviceUse, Outside
from collector.readings import FIELD_NAMES, Absent, Holder, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import ScriptedHolders
from collector.simulated.sysfs import simulated_pci_gpus
from collector.state.file import Held
from collector.table import WIDTH, short_uuids, table_of, text_of

GOLDEN = Path(__file__).parents[1] / "golden" / "once"
A100 = "NVIDIA A100-SXM4-80GB"
HEARD = NodeView(pods={}, stale=None)
UNREACHABLE = NodeView(pods={}, stale=Stale(since_unix_seconds=0.0, reason=Trouble.UNREACHABLE))


def played(folder: Path, *tables: str) -> tuple[Survey, Held]:
    """What the first node of a scenario shows at its second reading, one second in, through the real pynvml."""
    script, moment = a_script(folder, *tables), Moment()
    clock, pci = ToldClock(moment), simulated_pci_gpus(script)
    with installed(SimulatedDriver(script, moment)):
        devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=lambda: pci)
        devices.survey()
        moment.seconds = 1.0
        survey = devices.survey()
        devices.close()
    return survey, ScriptedHolders(script, moment).holders()


def a_look(survey: Survey, held: Held, *sources: Source) -> Look:
    """The look at node-a, with the driver and these others."""
    return Look(
        node="node-a",
        provenance="measured",
        every_gpu_was_read=survey.complete,
        gpus=rows_of(survey, held),
        sources=(driver_source(survey), *sources),
    )


def a_survey(found: Mapping[str, Reading | Absent]) -> Survey:
    """A node of H100s that were read so, in this order."""
    known = {uuid: an_identity(uuid, index=index) for index, uuid in enumerate(found)}
    return replace(NOT_YET, readings=found, known=known, blind=None, driver_version="590.1")


def hopper(folder: Path) -> Look:
    """In use, shared, lost between the readings, cut into instances, and idle."""
    node = a_node(
        a_fault("gpu_lost", "1s", "1h", gpus=[2]),
        an_instance(3, "1g.10gb"),
        an_instance(3, "3g.40gb"),
        gpus=5,
    )
    train = a_pod("pretrain-llama-worker-0-7b946ccdf5-q8spz", gpus=[0, 1], signal=TRAINING)
    survey, held = played(folder, node, a_workload(train, a_pod("notebook", gpus=[1]), a_pod("serve", instances=[0])))
    return a_look(survey, held, kubelet_source(""), api_server_source(HEARD))


def ampere(folder: Path) -> Look:
    """Cards that cannot tell what Hopper can, one of them cut into an instance, while nobody knows the holders."""
    node = a_node(a_fault("holders_unknown", "0s", "1h"), an_instance(1, "1g.10gb"), product=A100)
    survey, held = played(folder, node, a_workload(a_pod()))
    problem = "/run/kubelet.sock: the socket may not be opened: run as a user that may (no_permission)"
    return a_look(survey, held, kubelet_source(problem), api_server_source(UNREACHABLE))


def passed_through(folder: Path) -> Look:
    """Cards of virtual machines."""
    survey, held = played(folder, a_node(more="passthrough = true"))
    return a_look(survey, held, file_source("holders.toml", held, here=()))


def long_names(_: Path) -> Look:
    """Names as long as they may be, doubt, and a tenant that is a digest."""
    long = a_holder("p" * 63, namespace="acct-1001", tenant_id="hmac-0123456789abcdef0123456789abcdef")
    doubtful = replace(a_holder("p" * 63), tenant_id=Absent(Why.NAMESPACE_UNKNOWN), doubt=Absent(Why.POD_UNKNOWN))
    found = {gpu_uuid(0): a_reading(busy=1.0, power=1400.5, memory=287 * 2**30), gpu_uuid(1): a_reading(busy=0.004)}
    survey = a_survey(found)
    held = {gpu_uuid(0): (long,), gpu_uuid(1): (doubtful,), "GPU-elsewhere": (long,)}
    return a_look(survey, held, file_source("holders.toml", held, here=found))


def no_driver(_: Path) -> Look:
    """A machine without GPUs, and nobody who knows holders."""
    nothing = Absent(Why.HOLDERS_UNKNOWN)
    survey = replace(NOT_YET, blind=Absent(Why.NO_DRIVER), errors={("nvmlInit", "NVML_ERROR_LIBRARY_NOT_FOUND"): 2})
    return a_look(survey, nothing, file_source("", nothing, here=()))


LOOKS: dict[str, Callable[[Path], Look]] = {
    "hopper": hopper,
    "ampere": ampere,
    "passed-through": passed_through,
    "long-names": long_names,
    "no-driver": no_driver,
}


@pytest.mark.parametrize("name", LOOKS)
def test_golden(tmp_path: Path, name: str) -> None:
    """Everything that a person reads equals its approved text, and is no wider than it may be."""
    said, approved = text_of(LOOKS[name](tmp_path)) + "\n", GOLDEN / f"{name}.txt"
    if not approved.exists():
        approved.write_text(said, encoding="utf-8")
        pytest.fail(f"{approved.name} was not there and has been written: read it, then run again")
    assert said == approved.read_text(encoding="utf-8")
    assert max(map(len, said.splitlines())) <= WIDTH


def test_no_other_golden() -> None:
    """There is no approved text that nothing says any more."""
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(LOOKS)


def test_json_says_the_same(tmp_path: Path) -> None:
    """Numbers are numbers in base units; what is not known is an object with its reason, and never null or 0."""
    look = hopper(tmp_path)
    plain = json.loads(json.dumps(plain_look(look), allow_nan=False))
    assert plain["every_gpu_was_read"] is False
    assert [gpu["state"] for gpu in plain["gpus"]] == [row.state for row in look.gpus]
    first, _, lost, cut, _ = plain["gpus"]
    reading = look.gpus[0].reading
    assert isinstance(reading, Reading)
    assert first["reading"]["power_watts"] == reading.power_watts
    assert first["reading"]["busy_ratio"] <= 1
    assert first["holders"][0]["tenant_id"] == "t-0001"
    assert (lost["reading"], lost["reason"]) == ({"reason": "gpu_lost"}, "gpu_lost")
    assert cut["reading"]["busy_ratio"] == {"reason": "not_supported"}
    assert [each["mig"]["profile"] for each in cut["instances"]] == ["1g.10gb", "3g.40gb"]
    assert all(set(each["reading"]) == set(FIELD_NAMES) for each in (first, cut, *cut["instances"]))


# Rows


def one(rows: tuple[Row, ...]) -> Row:
    """The only one."""
    (row,) = rows
    return row


def test_cards_come_in_the_drivers_order() -> None:
    """However they were found, cards go by their index."""
    survey = a_survey({gpu_uuid(number): a_reading() for number in range(12)})
    shuffled = replace(survey, known=dict(reversed(survey.known.items())))
    assert [row.index for row in rows_of(shuffled, {})] == list(range(12))


@pytest.mark.parametrize(
    ("held", "state", "reason"),
    [
        ({}, GpuState.UNALLOCATED, ""),
        ({gpu_uuid(0): (a_holder(),)}, GpuState.ATTRIBUTED, ""),
        ({gpu_uuid(0): (a_holder("a"), a_holder("b"))}, GpuState.AMBIGUOUS, "shared"),
        (Absent(Why.KUBELET_GONE), GpuState.AMBIGUOUS, "kubelet_gone"),
    ],
)
def test_the_state_is_the_one_that_is_counted(held: Held, state: GpuState, reason: str) -> None:
    """A row says into which state the GPU's seconds go, and why."""
    row = one(rows_of(a_survey({gpu_uuid(0): a_reading()}), held))
    assert (row.state, row.reason) == (state, reason)


def test_what_the_driver_does_not_name_is_there(tmp_path: Path) -> None:
    """A GPU without identity and one on the bus only have a row each, and nobody is said not to hold them."""
    survey, held = played(tmp_path, a_node(a_fault("gpu_lost", "0s", "1h", gpus=[0])))
    rows = rows_of(survey, held)
    assert [(row.state, row.reason, row.accelerator) for row in rows][1:] == [(GpuState.LOST, "gpu_lost", "unknown")]
    survey, held = played(tmp_path, a_node(more="passthrough = true"))
    rows = rows_of(survey, held)
    assert {(row.state, row.reason) for row in rows} == {(GpuState.BLIND, "passed_through")}
    assert all(isinstance(row.holders, Absent) and not isinstance(row.pci_bus_id, Absent) for row in rows)


def test_an_instance_of_a_held_card_is_not_said_to_be_free(tmp_path: Path) -> None:
    """Where only the card is known to be held, each instance may be the one."""
    survey, _ = played(tmp_path, a_node(an_instance(0, "1g.10gb"), an_instance(0, "1g.10gb"), gpus=1))
    (uuid,) = survey.known
    card = one(rows_of(survey, {uuid: (replace(a_holder(), doubt=Absent(Why.MIG_INSTANCE)),)}))
    assert [each.holders for each in card.instances] == [Absent(Why.MIG_INSTANCE)] * 2
    assert [each.holders for each in one(rows_of(survey, {})).instances] == [(), ()]
    unknown = Absent(Why.KUBELET_GONE)
    assert [each.holders for each in one(rows_of(survey, unknown)).instances] == [unknown] * 2


# With the check on the processes


def a_check(*, failure: Absent | None = None, **use: DeviceUse) -> ProcessesChecked:
    """What a check came to that found this use of GPUs, each held by pod-0 and half busy."""
    found = {gpu_uuid(int(name.removeprefix("gpu"))): each for name, each in use.items()}
    comparison = compare(dict.fromkeys(found, (A_POD,)), found, busy_ratios=dict.fromkeys(found, 0.5))
    return ProcessesChecked(use=found, comparison=comparison, failure=failure)


A_POD = a_holder("pod-0", pod_uid="uid-0")
ITS_OWN, THE_HOSTS = DeviceUse(pods={"uid-0": 0.5}, outside={}), DeviceUse(pods={}, outside={Outside.HOST: 0.5})


def test_a_claim_that_does_not_fit_the_processes_is_in_doubt() -> None:
    """A row says what the check says: a GPU on which the host computes is ambiguous, another's stays as claimed."""
    survey = a_survey({gpu_uuid(number): a_reading() for number in range(3)})
    held = {gpu_uuid(0): (A_POD,), gpu_uuid(1): (A_POD,)}
    rows = rows_of(survey, held, a_check(gpu0=ITS_OWN, gpu1=THE_HOSTS))
    assert [(row.state, row.reason, row.holders) for row in rows] == [
        (GpuState.ATTRIBUTED, "", (A_POD,)),
        (GpuState.AMBIGUOUS, Mismatch.HOST_PROCESS, (A_POD,)),
        (GpuState.UNALLOCATED, "", ()),
    ]


def test_who_computes_on_a_free_gpu_is_not_nobody() -> None:
    """Where no pod is meant by what computes on a GPU that nobody holds, its holders are not known."""
    found = {gpu_uuid(0): THE_HOSTS}
    checked = ProcessesChecked(use=found, comparison=compare({}, found, busy_ratios={gpu_uuid(0): 0.5}))
    row = one(rows_of(a_survey({gpu_uuid(0): a_reading()}), {}, checked))
    assert (row.state, row.holders) == (GpuState.AMBIGUOUS, Absent(Why.HOLDERS_UNKNOWN))


def test_those_who_share_by_use_are_no_doubt() -> None:
    """A shared GPU whose use is known by process is attributed to both."""
    other = a_holder("pod-1", pod_uid="uid-1")
    both = DeviceUse(pods={"uid-0": 0.3, "uid-1": 0.2}, outside={})
    row = one(
        rows_of(
            a_survey({gpu_uuid(0): a_reading(busy=0.5)}),
            {gpu_uuid(0): (A_POD, other)},
            ProcessesChecked(use={gpu_uuid(0): both}),
        )
    )
    assert (row.state, row.holders) == (GpuState.ATTRIBUTED, (A_POD, other))


def test_what_the_driver_does_not_name_is_not_checked() -> None:
    """A GPU without UUID stays as it is."""
    survey = replace(a_survey({}), unidentified=(Absent(Why.GPU_LOST),))
    assert rows_of(survey, {}, a_check(gpu0=THE_HOSTS)) == rows_of(survey, {})


@pytest.mark.parametrize(
    ("checked", "is_well", "says"),
    [
        (a_check(gpu0=ITS_OWN), True, "fit who is said to hold the GPUs"),
        (a_check(gpu0=THE_HOSTS, gpu1=ITS_OWN), False, "host process on 1 GPU"),
        (
            a_check(failure=Absent(Why.PROCESSES_HIDDEN)),
            False,
            "not all checked: run with the host's process ids, in Kubernetes hostPID, and see --proc-path",
        ),
        (
            a_check(gpu0=THE_HOSTS, failure=Absent(Why.CHECK_FAILED)),
            False,
            "not all checked: check failed; host process on 1 GPU",
        ),
    ],
)
def test_the_check_says_what_it_came_to(checked: ProcessesChecked, is_well: bool, says: str) -> None:
    """Mismatches by kind, and why not every GPU could be checked with what to do about it."""
    assert check_source(checked) == Source(name="processes", is_well=is_well, says=says)


# Sources


@pytest.mark.parametrize("why", [*DRIVER_NEXT, Why.NO_DATA])
def test_a_blind_node_says_what_to_do(why: Why) -> None:
    """Every reason for which no GPU can be read has words."""
    source = driver_source(replace(NOT_YET, blind=Absent(why)))
    assert not source.is_well
    assert DRIVER_NEXT.get(why, "no GPU can be read: no data") in source.says


@pytest.mark.parametrize("trouble", Trouble)
def test_a_silent_api_server_says_what_to_do(trouble: Trouble) -> None:
    """Every trouble has words; while it has not answered yet it may still be waited for."""
    view = NodeView(pods={}, stale=Stale(since_unix_seconds=0.0, reason=trouble))
    source = api_server_source(view)
    assert not source.is_well
    assert source.says == "stale: it " + API_SERVER_NEXT.get(trouble, f"does not answer ({trouble.value}): ask again")
    assert has_answered(view) == (trouble is not Trouble.STARTING)


def test_who_is_well_says_so() -> None:
    """A kubelet and an API server that answer are connected."""
    assert kubelet_source("") == Source(name="kubelet", is_well=True, says="connected")
    assert api_server_source(HEARD) == Source(name="API server", is_well=True, says="connected, 0 pods on this node")
    assert has_answered(HEARD)


# The table

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63)
holders = st.builds(
    Holder,
    namespace=names,
    pod=names,
    pod_uid=st.just("uid"),
    container=names,
    workload_kind=st.just("Job"),
    workload_name=names,
    workload_uid=st.just("uid"),
    tenant_id=names | st.sampled_from([Absent(Why.NOT_CLAIMED), Absent(Why.NAMESPACE_UNKNOWN)]),
    doubt=st.none() | st.just(Absent(Why.CLAIM_UNRESOLVED)),
)
held_devices = st.lists(
    st.tuples(st.uuids().map(lambda each: f"GPU-{each}"), readings, st.lists(holders, max_size=3)),
    min_size=1,
    max_size=9,
    unique_by=lambda each: each[0],
)


@given(held_devices)
def test_every_table_fits_and_cuts_no_number(devices: list[tuple[str, Reading | Absent, list[Holder]]]) -> None:
    """Whatever was read and whatever names are like: 120 columns, every number whole, and none that was not read."""
    survey = a_survey({uuid: reading for uuid, reading, _ in devices})
    lines = table_of(rows_of(survey, {uuid: tuple(found) for uuid, _, found in devices}))
    assert max(map(len, lines)) <= WIDTH
    begin, end = lines[0].index("POWER") - 1, lines[0].index("MEMORY") + len("MEMORY")
    told = [line for line in lines[2:] if line[:3].strip()]
    for line, (_, reading, _) in zip(told, devices, strict=True):
        shown = [float(word) for word in line[begin:end].split() if word[0].isdigit()]
        assert shown == pytest.approx(numbers_of(reading), abs=0.051)


def numbers_of(reading: Reading | Absent) -> list[float]:
    """What of a reading stands in the table, in its order and units."""
    if isinstance(reading, Absent):
        return []
    parts = (
        (reading.power_watts, 1.0),
        (reading.busy_ratio, 100.0),
        (reading.sm_active_ratio, 100.0),
        (reading.tensor_active_ratio, 100.0),
        (reading.memory_used_bytes, 2.0**-30),
    )
    return [value * factor for value, factor in parts if not isinstance(value, Absent)]


@given(st.sets(st.uuids().map(lambda each: f"GPU-{each}") | st.sampled_from([gpu_uuid(n) for n in range(20)])))
def test_short_uuids_tell_all_apart(uuids: set[str]) -> None:
    """Each is the beginning of one UUID and of no other, and eight digits where that is enough."""
    short = short_uuids(sorted(uuids))
    for uuid in uuids:
        assert [each for each in uuids if each.removeprefix("GPU-").startswith(short[uuid])] == [uuid]
    assert len({*map(len, short.values())}) <= 1


def test_names_that_are_no_uuids_stay() -> None:
    """A driver that names its devices in some other way is taken at its word."""
    assert short_uuids(["GPU-0", "plain"]) == {"GPU-0": "0", "plain": "plain"}
