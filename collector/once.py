"""
One look at a node, for whoever stands before it: what each GPU does, who holds it, and who could be asked. Pure.

A card is told by its place among the driver's, and its MIG instances under it. What no driver here reads is told by its
address on the PCI bus. Nothing that is not known is a number: it is a reason, here and in what is made of it.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from collector.attribution import attribute
from collector.contract import UNKNOWN_ACCELERATOR, GpuState
from collector.devices import InstanceLook, Survey
from collector.intervals import holders_of, known_holders
from collector.pods.troubles import Trouble
from collector.pods.view import NodeView
from collector.processes.port import Checked
from collector.readings import Absent, DeviceIdentity, Holder, MigInstance, Reading, Why
from collector.state.file import Held
from collector.state.plain import to_plain

DRIVER_NEXT: Mapping[Why, str] = {
    Why.NO_DRIVER: "no driver answers: load it, and give a container its library and device files; see nvidia-smi",
    Why.DRIVER_GONE: "the driver has gone: is it being upgraded? see nvidia-smi",
    Why.NO_GPUS: "there is no GPU on this node",
    Why.GPU_LOST: "every GPU is lost: see what the kernel says (dmesg), then reset them or boot the node",
    Why.NO_PERMISSION: "the device files may not be opened: run as a user that may",
    Why.PASSED_THROUGH: "the GPUs are passed through to virtual machines: nothing on this node can read them",
    Why.FOREIGN_VENDOR: "the GPUs are of another vendor: nothing here can read them",
    Why.DRIVER_ERROR: "the driver answers with errors: see nvidia-smi, and what the kernel says (dmesg)",
}
"""What it means that no GPU can be read, and what to do, by the reason."""
API_SERVER_NEXT: Mapping[Trouble, str] = {
    Trouble.STARTING: "has not answered yet: ask again, or see whether this node reaches it",
    Trouble.UNREACHABLE: "cannot be reached: see --api-server, and whether a policy keeps this node from it",
    Trouble.CERTIFICATE: "shows a certificate that is not of --api-ca-file",
    Trouble.NO_CREDENTIALS: "was not asked: there is no token in --api-token-file, and no --kubeconfig",
    Trouble.UNAUTHORIZED: "does not take the token: see --api-token-file",
    Trouble.FORBIDDEN: "may not be asked for the pods of this node: see the permissions in k8s/README.md",
    Trouble.NOT_FOUND: "has no pods: is --api-server the address of a Kubernetes API server?",
    Trouble.THROTTLED: "turns requests away: it is overloaded; ask again",
}
"""The same for the API server; every other trouble passes by itself."""
CHECK_NEXT: Mapping[Why, str] = {
    Why.PROCESSES_HIDDEN: "run with the host's process ids, in Kubernetes hostPID, and see --proc-path",
    Why.NO_DATA: "no GPU's processes are told: see how the driver answers",
}
"""The same for the check on the processes; why else a device could not be checked is said as it is."""
SOME_NS = 1_000_000_000  # what is divided among those who share a device, where only who they are is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    A GPU or a MIG instance.

    ``accelerator`` is the product name, of an instance its profile. ``state`` and ``reason`` are those into which its
    seconds go now, of a card that is cut those of what no instance has. ``index`` and ``gpu_uuid`` are absent where no
    driver gives them, ``pci_bus_id`` where a GPU is counted and was never identified.
    """

    index: int | Absent
    accelerator: str
    gpu_uuid: str | Absent
    pci_bus_id: str | Absent
    mig: MigInstance | None
    state: GpuState
    reason: str
    reading: Reading | Absent
    holders: tuple[Holder, ...] | Absent
    instances: tuple["Row", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who was asked, whether it is well, and in words what it says or what to do."""

    name: str
    is_well: bool
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that one look found."""

    node: str
    provenance: str
    every_gpu_was_read: bool
    gpus: tuple[Row, ...]
    sources: tuple[Source, ...]


def plain_look(look: Look) -> object:
    """The look as plain JSON values; an object that has only a ``reason`` stands for what is not known."""
    return to_plain(look)


def rows_of(survey: Survey, held: Held, checked: Checked | None = None) -> tuple[Row, ...]:
    """
    Every GPU that is counted: those that the driver names, in its order, those that it does not, and the rest.

    ``checked`` is what the claims came to when they were held against the processes, if they were.
    """
    cards = sorted(survey.known.values(), key=lambda each: (each.index, each.gpu_uuid))
    rows = (*(_card(each, survey, held) for each in cards), *_nameless(survey, held))
    return rows if checked is None else tuple(_as_checked(row, checked) for row in rows)


def driver_source(survey: Survey) -> Source:
    """How the driver answers."""
    failed = ", ".join(f"{call} {code}" for call, code in sorted(survey.errors))
    told = f"; failed: {failed}" if failed else ""
    if survey.blind is not None:
        words = DRIVER_NEXT.get(survey.blind.reason, f"no GPU can be read: {words_of(survey.blind)}")
        return Source(name="driver", is_well=False, says=words + told)
    version = survey.driver_version
    answers = f"version {words_of(version) if isinstance(version, Absent) else version}"
    there = counted(len(survey.known) + len(survey.unidentified) + len(survey.unreadable), "GPU")
    return Source(name="driver", is_well=survey.complete, says=f"{answers}, {len(survey.seen())} of {there} read{told}")


def kubelet_source(problem: str) -> Source:
    """How the kubelet answers; ``problem`` in its client's own words, empty if there is none."""
    return Source(name="kubelet", is_well=not problem, says=problem or "connected")


def api_server_source(view: NodeView) -> Source:
    """How the API server answers."""
    if view.stale is None:
        return Source(name="API server", is_well=True, says=f"connected, {counted(len(view.pods), 'pod')} on this node")
    trouble = view.stale.reason
    words = API_SERVER_NEXT.get(trouble, f"does not answer ({trouble.value}): ask again")
    return Source(name="API server", is_well=False, says=f"stale: it {words}")


def check_source(checked: Checked) -> Source:
    """What came of holding the claims against the processes."""
    found = ", ".join(f"{kind.replace('_', ' ')} on {counted(n, 'GPU')}" for kind, n in checked.mismatches.items())
    told = found or "fit who is said to hold the GPUs"
    if checked.failure is None:
        return Source(name="processes", is_well=not found, says=told)
    words = CHECK_NEXT.get(checked.failure.reason, words_of(checked.failure))
    return Source(name="processes", is_well=False, says=f"not all checked: {words}{f'; {found}' if found else ''}")


def has_answered(view: NodeView) -> bool:
    """Whether the API server has answered, or has been found not to."""
    return view.stale is None or view.stale.reason is not Trouble.STARTING


def file_source(where: str, held: Held, *, here: Collection[str]) -> Source:
    """How a file says who holds the devices that are ``here``, by UUID; ``where`` is empty if there is none."""
    if isinstance(held, Absent):
        lacking = f"{where}: nobody can tell now ({words_of(held)})"
        words = lacking if where else "nobody says who holds the GPUs: give --holders-file or --kubelet-socket"
        return Source(name="holders", is_well=False, says=words)
    strangers = sorted(set(held) - set(here))
    words = f"{where}: {', '.join(strangers)} not on this node, see nvidia-smi -L" if strangers else where
    return Source(name="holders", is_well=not strangers, says=words)


def words_of(absent: Absent) -> str:
    """A reason as people read it."""
    return absent.reason.replace("_", " ")


def counted(number: int, what: str) -> str:
    """So many of them."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _card(identity: DeviceIdentity, survey: Survey, held: Held) -> Row:
    reading, holders = survey.readings[identity.gpu_uuid], holders_of(identity.gpu_uuid, held)
    mine = [each for each in survey.instances.values() if _is_on(each, identity.gpu_uuid)]
    mine.sort(key=lambda each: _place(each.identity.mig))
    instances = tuple(_instance(each, held, holders) for each in mine)
    return _row(identity, identity.accelerator, reading, holders, instances)


def _instance(look: InstanceLook, held: Held, of_card: tuple[Holder, ...] | Absent) -> Row:
    """Where only the card is known to be held, by which of its instances is not."""
    uuid, profile = look.identity.gpu_uuid, look.identity.mig.profile if look.identity.mig else UNKNOWN_ACCELERATOR
    holders = holders_of(uuid, held)
    if not holders and of_card:
        holders = Absent(Why.MIG_INSTANCE)
    return _row(look.identity, profile, look.reading, holders, ())


def _row(
    identity: DeviceIdentity,
    name: str,
    reading: Reading | Absent,
    holders: tuple[Holder, ...] | Absent,
    instances: tuple[Row, ...],
) -> Row:
    attribution = attribute(reading, holders)
    return Row(
        index=identity.index,
        accelerator=name,
        gpu_uuid=identity.gpu_uuid,
        pci_bus_id=identity.pci_bus_id,
        mig=identity.mig,
        state=attribution.state,
        reason=attribution.reason,
        reading=reading,
        holders=holders,
        instances=instances,
    )


def _as_checked(row: Row, checked: Checked) -> Row:
    """The row with what is said in place of the claims, if anything."""
    if isinstance(row.gpu_uuid, Absent):
        return row
    claimed = attribute(row.reading, row.holders)
    after = checked.attribution(row.gpu_uuid, row.reading, SOME_NS, claimed)
    if after is claimed:
        return row
    return replace(row, state=after.state, reason=after.reason, holders=after.holders or Absent(Why.HOLDERS_UNKNOWN))


def _nameless(survey: Survey, held: Held) -> Iterator[Row]:
    """Those that the driver counts and does not identify, and those on the bus that it does not count."""
    unknown, unknown_holders = Absent(Why.NO_DATA), Absent(Why.HOLDERS_UNKNOWN)
    for why in survey.unidentified:
        yield _unread(UNKNOWN_ACCELERATOR, unknown, why, unknown_holders)
    for gpu in survey.unreadable:
        yield _unread(
            gpu.accelerator, gpu.key.removeprefix("pci-"), gpu.why, known_holders(gpu.key, held) or unknown_holders
        )


def _unread(accelerator: str, pci_bus_id: str | Absent, why: Absent, holders: tuple[Holder, ...] | Absent) -> Row:
    attribution = attribute(why, holders)
    return Row(
        index=why,
        accelerator=accelerator,
        gpu_uuid=why,
        pci_bus_id=pci_bus_id,
        mig=None,
        state=attribution.state,
        reason=attribution.reason,
        reading=why,
        holders=holders,
    )


def _is_on(look: InstanceLook, gpu_uuid: str) -> bool:
    return look.identity.mig is not None and look.identity.mig.parent_uuid == gpu_uuid


def _place(mig: MigInstance | None) -> tuple[int, int]:
    return (mig.gpu_instance_id, mig.compute_instance_id) if mig else (-1, -1)
