"""What a collector says about itself and those it asks: its driver, its state file, the kubelet, the API server."""

from collector.contract.vocabulary import NODE_LABELS, counter, gauge

COLLECTOR_INFO = gauge(
    "collector_info",
    "",
    (*NODE_LABELS, "version", "contract_version", "driver_version"),
    "1. The collector's version, the version of this contract, and the GPU driver's version.",
)
COLLECTOR_START = gauge(
    "collector_start_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "When the counters of this node began, as Unix time; before the last restart if they were kept in a state file. "
    "Another value means that they began anew.",
)
COLLECTOR_CLOCK = gauge(
    "collector_clock_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The moment up to which the counters have been added up, as Unix time.",
)
COLLECTOR_BLIND = gauge(
    "collector_blind",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the collector can read no GPU, with the reason (no_data: it has not tried yet); else 0, with none.",
)
COLLECTOR_HANGING = gauge(
    "collector_hanging",
    "",
    (*NODE_LABELS, "call"),
    "1 while a tick takes longer than --hang-seconds, with what it hangs in: an NVML function, or driver, holders, "
    "processes, state, collector; all else on this page is then as it was before. Else 0, with none.",
)
COLLECTOR_TICKS = counter("collector_ticks", "", NODE_LABELS, "Ticks of the collector's timer.")
COLLECTOR_LATENESS = counter(
    "collector_tick_lateness_seconds",
    "seconds",
    NODE_LABELS,
    "How much later than due the ticks began, added up.",
)
COLLECTOR_DURATION = gauge(
    "collector_tick_duration_seconds",
    "seconds",
    NODE_LABELS,
    "How long the last tick took, in seconds of work.",
)
COLLECTOR_LAST_SUCCESS = gauge(
    "collector_last_success_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The last moment at which every GPU was read, as Unix time; 0 if there was none yet.",
)
COLLECTOR_MEMORY = gauge(
    "collector_resident_memory_bytes",
    "bytes",
    NODE_LABELS,
    "Memory of the collector's own process. Absent where the kernel does not tell it.",
)
COLLECTOR_CPU = counter(
    "collector_cpu_seconds",
    "seconds",
    NODE_LABELS,
    "Processor time of the collector's own process since it began.",
)
STATE_FOUND = gauge(
    "collector_state_found",
    "",
    (*NODE_LABELS, "found"),
    "1, with what the collector found in its state file when it started: loaded, none, or why it is no use "
    "(clock_backwards: loaded, and the time since is not known). Absent without a state file, as the next two.",
)
STATE_SAVED = gauge(
    "collector_state_saved_timestamp_seconds",
    "seconds",
    NODE_LABELS,
    "The moment of the last state on the disk, as Unix time: no counter on this page is younger. 0 if there is none.",
)
STATE_UNSAVED = gauge(
    "collector_state_unsaved",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the state cannot be saved, with the reason: the counters on this page stand still and go on being added "
    "up; where no state was ever saved they do not stand still. Else 0, with none.",
)
NVML_ERRORS = counter(
    "collector_nvml_errors",
    "",
    (*NODE_LABELS, "call", "code"),
    "Calls into NVML that failed, by call and by NVML's own error code.",
)
KUBELET_CONNECTIONS = counter(
    "collector_kubelet_connections",
    "",
    NODE_LABELS,
    "Connections to the kubelet since this process began; one more after each failure and each kubelet restart.",
)
KUBELET_ERRORS = counter(
    "collector_kubelet_errors",
    "",
    (*NODE_LABELS, "code"),
    "Calls to the kubelet's pod-resources API that failed since this process began, by gRPC status code.",
)
API_REQUESTS = counter(
    "collector_api_requests",
    "",
    (*NODE_LABELS, "request"),
    "Requests to the Kubernetes API server since this process began: list, watch, namespace.",
)
API_WATCH_RESTARTS = counter(
    "collector_api_watch_restarts",
    "",
    (*NODE_LABELS, "reason"),
    "Watches of this node's pods that were opened anew since this process began, by why the one before ended.",
)
PODS_STALE = gauge(
    "collector_pods_stale",
    "",
    (*NODE_LABELS, "reason"),
    "1 while the Kubernetes API server does not tell, with the reason: pods that came since are unknown; else 0.",
)
DEVICE_CLAIMS = gauge(
    "collector_device_claims",
    "",
    (*NODE_LABELS, "meaning", "reason"),
    "Devices that the kubelet says containers were given: held, unresolved (with why), blind (accelerators that "
    "nothing on the node reads, held by allocation), or other.",
)
PROCESS_CHECK = gauge(
    "process_check",
    "",
    (*NODE_LABELS, "reason"),
    "1 while every GPU that was read is held against the processes on it; else 0, with the reason. Cards that are cut "
    "into MIG instances are left out. Absent without --process-check, as the next one.",
)
PROCESS_MISMATCHES = counter(
    "process_mismatches",
    "",
    (*NODE_LABELS, "kind"),
    "GPUs on which the processes did not fit the holders, added up over the ticks: other_device, not_held, mps_server, "
    "unknown_pod, host_process, unknown_process, hidden_process, no_process.",
)

METRICS = (
    COLLECTOR_INFO,
    COLLECTOR_START,
    COLLECTOR_CLOCK,
    COLLECTOR_BLIND,
    COLLECTOR_HANGING,
    COLLECTOR_TICKS,
    COLLECTOR_LATENESS,
    COLLECTOR_DURATION,
    COLLECTOR_LAST_SUCCESS,
    COLLECTOR_MEMORY,
    COLLECTOR_CPU,
    STATE_FOUND,
    STATE_SAVED,
    STATE_UNSAVED,
    NVML_ERRORS,
    KUBELET_CONNECTIONS,
    KUBELET_ERRORS,
    API_REQUESTS,
    API_WATCH_RESTARTS,
    PODS_STALE,
    DEVICE_CLAIMS,
    PROCESS_CHECK,
    PROCESS_MISMATCHES,
)
