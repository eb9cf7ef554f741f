"""
The fleet board, for the people who run the fleet: who holds the GPUs, where their time goes, who uses how much compute.

Boards never show verdicts, headquarters or tickets: whoever can read a board can query any series. Zero appears only
where it is counted; what is not known stays empty and reads "unknown".
"""

from board import Board, Panel, Query, Row
from recording_rules import BOUNDS, ESTIMATED, INTERVAL_SECONDS, PEAK, UNESTIMATED

from collector import contract
from collector.contract import GpuState, Metric, gpu_metrics, node_metrics

SELECTED = 'node=~"$node",provenance=~"$provenance"'
PHYSICAL = "physical"
UNCLAIMED = "(unclaimed)"  # in parentheses, because no Kubernetes label value has them and no tenant can be called so


def _here(metric: Metric, more: str = "") -> str:
    return f"{metric.name}{{{SELECTED}{',' if more else ''}{more}}}"


KNOWN = _here(gpu_metrics.GPUS)
IDENTIFIED = f"{_here(gpu_metrics.GPU_INFO)} or {_here(gpu_metrics.MIG_INSTANCE_INFO)}"
OF_CARDS = 'gpu_uuid!~"MIG-.*"'


def _rate(metric: Metric, more: str = "") -> str:
    return f"rate({_here(metric, more)}[$__rate_interval])"


def _counted(expr: str) -> str:
    """The count, and 0 where it found nothing although collectors are heard. Without collectors nothing is known."""
    return f"{expr} or 0 * count({_here(node_metrics.COLLECTOR_INFO)})"


def _claimed(expr: str) -> str:
    return f'label_replace({expr}, "tenant_id", "{UNCLAIMED}", "tenant_id", "")'


def _by_tenant(record: str, more: str = "") -> str:
    return _claimed(f'sum by (tenant_id) ({record}{{provenance=~"$provenance"{more}}})')


def _over_range(bound: str) -> str:
    series = f'{ESTIMATED}{{provenance=~"$provenance",bound="{bound}"}}'
    return _claimed(f"sum by (tenant_id) (sum_over_time({series}[$__range])) * {INTERVAL_SECONDS}")


BASIS = Row(
    title="What this board rests on",
    panels=(
        Panel(
            title="Data",
            kind="stat",
            description="Collectors heard, by whether they measure hardware or play a simulation. The variable "
            "provenance keeps the two apart everywhere else. A scenario played faster than the wall clock shows rates "
            "that many times as high. Nodes without a collector are not here.",
            unit="short",
            height=4,
            queries=(
                Query(
                    expr=f'count by (provenance) ({node_metrics.COLLECTOR_INFO.name}{{node=~"$node"}})',
                    name="{{provenance}}",
                ),
            ),
        ),
        Panel(
            title="Collectors heard",
            kind="stat",
            description="Collectors whose last scrape succeeded. How many there should be is not known here.",
            unit="short",
            height=4,
            queries=(Query(expr=f"count({_here(node_metrics.COLLECTOR_INFO)})", name="heard"),),
        ),
        Panel(
            title="Silent collectors",
            kind="stat",
            description="Nodes heard at some time in the board's range and not heard now. What their GPUs do is not "
            "known and in none of the numbers below, not even in the high estimate.",
            unit="short",
            height=4,
            good=0,
            queries=(
                Query(
                    expr=_counted(
                        f"count(count by ({', '.join(contract.NODE_LABELS)}) "
                        f"(last_over_time({_here(node_metrics.COLLECTOR_CLOCK)}[$__range]))"
                        f" unless on ({', '.join(contract.NODE_LABELS)}) {_here(node_metrics.COLLECTOR_CLOCK)})"
                    ),
                    name="silent",
                ),
            ),
        ),
    ),
)

HOLDERS = Row(
    title="Who holds the GPUs?",
    panels=(
        Panel(
            title="Holders now",
            kind="table",
            description="Every GPU with everyone who holds it; a shared GPU has a line for each. A GPU that is missing "
            "here is free, or nobody can tell who holds it: the balance sheet says which. Blind nodes have no line. "
            f"{UNCLAIMED}: the workload names no tenant. Holding says nothing about use.",
            unit="short",
            width=24,
            height=10,
            columns={
                "node": "Node",
                "gpu_uuid": "GPU",
                "accelerator": "Accelerator",
                "workload_namespace": "Namespace",
                "workload_pod": "Pod",
                "container": "Container",
                "tenant_id": "Tenant",
                "provenance": "Data",
            },
            queries=(
                Query(
                    expr=_claimed(
                        f"max by ({', '.join(gpu_metrics.GPU_HELD.labels)}) ({_here(gpu_metrics.GPU_HELD)})"
                        f" * on ({', '.join(contract.GPU_LABELS)}) group_left (accelerator)"
                        f" max by ({', '.join(contract.GPU_LABELS)}, accelerator) ({IDENTIFIED})"
                    ),
                    name="",
                ),
            ),
        ),
    ),
)

UNSEEN = f'state=~"{GpuState.AMBIGUOUS}|{GpuState.LOST}|{GpuState.BLIND}"'
BALANCE = Row(
    title="Where does every GPU-second go?",
    panels=(
        Panel(
            title="GPU-seconds per second, by state",
            kind="timeseries",
            description="The states add up to the physical GPU-seconds, drawn as a line. Ambiguous: held, but by whom "
            "or by how much cannot be said. Lost: not read. Blind: nothing on the node can read them; they are "
            "counted by their place on the PCI bus. Left out: nodes without a collector.",
            unit="short",
            width=11,
            stacked=True,
            queries=(
                Query(expr=f"sum by (state) ({_rate(gpu_metrics.GPU_SECONDS)})", name="{{state}}"),
                Query(expr=f"sum({_rate(gpu_metrics.GPU_PHYSICAL)})", name=PHYSICAL),
            ),
        ),
        Panel(
            title="What is not known, by reason",
            kind="timeseries",
            description="GPU-seconds per second that are ambiguous, lost or blind, and why. A line at 0 without a name "
            "means that collectors are heard and there are none.",
            unit="short",
            width=7,
            queries=(
                Query(
                    expr=_counted(f"sum by (state, reason) ({_rate(gpu_metrics.GPU_SECONDS, UNSEEN)})"),
                    name="{{state}} {{reason}}",
                ),
            ),
        ),
        Panel(
            title="Residual",
            kind="stat",
            description="The largest difference, on any node, between physical GPU-seconds and the sum of all states. "
            "Anything but 0 means that a collector lost count, and that its numbers are wrong by that much or more.",
            unit="s",
            width=3,
            good=0,
            queries=(Query(expr=f"max(abs({_here(gpu_metrics.GPU_RESIDUAL)}))", name="residual"),),
        ),
        Panel(
            title="Blind nodes",
            kind="stat",
            description="Nodes whose collector runs and can read no GPU, for instance because the GPUs are passed "
            "through to virtual machines. What happens on them is not known. Left out: nodes without a collector.",
            unit="short",
            width=3,
            good=0,
            queries=(Query(expr=f"sum({_here(node_metrics.COLLECTOR_BLIND)})", name="blind"),),
        ),
    ),
)

DEVICES = Row(
    title="What do the GPUs do?",
    panels=(
        Panel(
            title="GPUs known and read",
            kind="timeseries",
            description="Known: what the nodes are known to have, read or not. Read: those whose power came with "
            "the last tick. The difference is in none of the two panels beside this one.",
            unit="short",
            queries=(
                Query(expr=f"sum by (accelerator) ({KNOWN})", name="known {{accelerator}}"),
                Query(expr=_counted(f"count({_here(gpu_metrics.GPU_POWER)})"), name="read"),
            ),
        ),
        Panel(
            title="Busy ratio, by node",
            kind="timeseries",
            description="Mean over the GPUs that were read: the share of time in which a kernel ran. GPUs that were "
            "not read, or are cut into MIG instances, are left out, not counted as idle. Busy is not arithmetic: "
            "waiting for a checkpoint is busy too.",
            unit="percentunit",
            queries=(Query(expr=f"avg by (node) ({_here(gpu_metrics.GPU_BUSY, OF_CARDS)})", name="{{node}}"),),
        ),
        Panel(
            title="Power, by node",
            kind="timeseries",
            description="Sum over the boards whose draw could be read. It falls when a GPU is no longer read: compare "
            "with the GPUs read. Hosts, network and cooling are not in it.",
            unit="watt",
            queries=(Query(expr=f"sum by (node) ({_here(gpu_metrics.GPU_POWER)})", name="{{node}}"),),
        ),
    ),
)

WHATEVER_THE_VERDICT = (
    "Whatever the work was, serving included: the estimate is what it came to if it was training. "
    "The variable node does not apply. "
)
SPAN = {
    "low": "Busy seconds at the dense 16-bit peak, times the lowest share of it that training is taken to reach. ",
    "likely": "Busy seconds at the dense 16-bit peak, a little more where narrower formats may be in use, times the "
    "share of it that is commonly assumed. ",
    "high": "Busy seconds, seconds that nobody could read, and shared GPUs whole for each of their holders, at the "
    "densest format's peak, times the highest share. Never add it over tenants: a shared GPU would count twice. ",
}
NOT_IN_IT = (
    "By busy time alone; the engine's own goes by tensor pipes, multiprocessors and power where they are told. "
    "Left out: accelerators without a known peak, hours in which no collector was heard, and a holder's time before "
    "its second scrape. The engine's ledger has their seconds."
)
COMPUTE = Row(
    title="How much compute may each tenant have used?",
    panels=(
        Panel(
            title="Estimated compute, by tenant",
            kind="table",
            description=WHATEVER_THE_VERDICT + "Over the board's range, and at its end. High counts unobserved and "
            "shared time; it is no sum to add over tenants. Not estimated: GPUs held, alone or shared, whose "
            f"accelerator has no known peak; they are in none of the other columns. {UNCLAIMED}: workloads that name "
            "no tenant, together. " + NOT_IN_IT,
            unit="sci",
            width=24,
            height=9,
            columns={"tenant_id": "Tenant"},
            queries=(
                *(Query(expr=_over_range(bound), name=f"FLOP in range, {bound}", unit="sci") for bound in BOUNDS),
                *(
                    Query(expr=_by_tenant(ESTIMATED, f',bound="{bound}"'), name=f"now, {bound}", unit="si:FLOP/s")
                    for bound in BOUNDS
                ),
                Query(expr=_by_tenant(UNESTIMATED), name="GPUs not estimated", unit="short"),
            ),
        ),
        *(
            Panel(
                title=f"Estimated compute, {bound}",
                kind="timeseries",
                description=SPAN[bound] + WHATEVER_THE_VERDICT + NOT_IN_IT,
                unit="si:FLOP/s",
                queries=(Query(expr=_by_tenant(ESTIMATED, f',bound="{bound}"'), name="{{tenant_id}}"),),
            )
            for bound in BOUNDS
        ),
        Panel(
            title="Peaks that the estimate uses",
            kind="table",
            description="Dense peaks of the accelerators that the selected nodes have, from the facts. Unverified: the "
            "name or a peak is from memory. An accelerator that is not listed has no known peak, and no estimate.",
            unit="si:FLOP/s",
            width=16,
            height=6,
            columns={"accelerator": "Accelerator", "format": "Format", "evidence": "Evidence"},
            queries=(
                Query(
                    expr=f"max by (accelerator, format, evidence) ({PEAK} and on (accelerator) {KNOWN})",
                    name="FLOP per second",
                ),
            ),
        ),
        Panel(
            title="GPUs without a known peak",
            kind="stat",
            description="GPUs of the selected nodes that no estimate covers, because the facts have no peak for their "
            "accelerator or because it was never identified.",
            unit="short",
            height=6,
            good=0,
            queries=(
                Query(
                    expr=_counted(f'sum({KNOWN} unless on (accelerator) {PEAK}{{format="training"}})'),
                    name="without a peak",
                ),
            ),
        ),
    ),
)


def _mean_lateness() -> str:
    late, ticks = _rate(node_metrics.COLLECTOR_LATENESS), _rate(node_metrics.COLLECTOR_TICKS)
    return f"sum by (node) ({late}) / sum by (node) ({ticks})"


HEALTH = Row(
    title="Can the collectors be believed?",
    panels=(
        Panel(
            title="Tick lateness",
            kind="timeseries",
            description="How much later than due a tick began, on average. Ticks that never came are not in it: see "
            "ticks per second.",
            unit="s",
            width=6,
            queries=(Query(expr=_mean_lateness(), name="{{node}}"),),
        ),
        Panel(
            title="Ticks per second",
            kind="timeseries",
            description="0 means that the collector answers and no longer reads: its counters stand still, and the "
            "seconds become lost at its next tick.",
            unit="short",
            width=6,
            queries=(Query(expr=f"sum by (node) ({_rate(node_metrics.COLLECTOR_TICKS)})", name="{{node}}"),),
        ),
        Panel(
            title="Duration of the last tick",
            kind="timeseries",
            description="Seconds of work. A tick longer than the collector's interval makes the next one late.",
            unit="s",
            width=6,
            queries=(Query(expr=f"max by (node) ({_here(node_metrics.COLLECTOR_DURATION)})", name="{{node}}"),),
        ),
        Panel(
            title="Since every GPU was read",
            kind="timeseries",
            description="Age of the last tick that read every GPU, by the collector's own clock; from its start where "
            "there was none yet. It stands still when the collector no longer ticks.",
            unit="s",
            width=6,
            queries=(
                Query(
                    expr=f"max by (node) ({_here(node_metrics.COLLECTOR_CLOCK)} - "
                    f"({_here(node_metrics.COLLECTOR_LAST_SUCCESS)} > 0 or {_here(node_metrics.COLLECTOR_START)}))",
                    name="{{node}}",
                ),
            ),
        ),
        Panel(
            title="NVML errors per second",
            kind="timeseries",
            description="Failed calls. A code's first error makes no rate: the table beside has it. A line at 0 "
            "without a name means that collectors are heard and no call has failed.",
            unit="short",
            queries=(
                Query(
                    expr=_counted(f"sum by (node, call, code) ({_rate(node_metrics.NVML_ERRORS)})"),
                    name="{{node}} {{call}} {{code}}",
                ),
            ),
        ),
        Panel(
            title="NVML errors since the collector began",
            kind="table",
            description="Failed calls, all of them. One line of 0 without a node: no call has failed. Readings that a "
            "GPU does not support are no errors.",
            unit="short",
            columns={"node": "Node", "call": "Call", "code": "Code"},
            queries=(
                Query(expr=_counted(f"sum by (node, call, code) ({_here(node_metrics.NVML_ERRORS)})"), name="Errors"),
            ),
        ),
        Panel(
            title="Collectors",
            kind="table",
            description="Every collector heard. Blind 1: it can read no GPU, with the reason. An empty driver version "
            "is not known.",
            unit="short",
            columns={
                "node": "Node",
                "version": "Version",
                "contract_version": "Contract",
                "driver_version": "Driver",
                "reason": "Reason",
            },
            queries=(
                Query(
                    expr=f"max by (node, reason) ({_here(node_metrics.COLLECTOR_BLIND)})"
                    " * on (node) group_left (version, contract_version, driver_version)"
                    f" max by (node, version, contract_version, driver_version) ({_here(node_metrics.COLLECTOR_INFO)})",
                    name="Blind",
                ),
            ),
        ),
    ),
)

FLEET = Board(
    uid="flopwatch-fleet",
    title="flopwatch: what do our GPUs do? (for SREs)",
    description="Who holds the GPUs, where every GPU-second goes, how much compute each tenant may have used, and "
    "whether the collectors can be believed. Tenants by opaque id; nothing here says what anybody decided about them.",
    rows=(BASIS, HOLDERS, BALANCE, DEVICES, COMPUTE, HEALTH),
)
