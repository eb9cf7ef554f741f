"""Every setting of the collector, once: its name, its unit, its default and what it is for."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIX = "FLOPWATCH_COLLECTOR_"
LISTEN_HOST = (
    "address to serve on; any but loopback needs --bearer-token-file or --tls-client-ca-file, and without "
    "--tls-cert-file the token travels in clear text unless TLS is put in front"
)
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where Kubernetes mounts it


def _setting(default: Any, kind: type, unit: str, text: str) -> Any:
    return field(default=default, metadata={"kind": kind, "unit": unit, "help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The collector's settings. Paths are empty where nothing was given."""

    node: str = _setting("", str, "", "name of this node in every series; default: the host name")
    listen_host: str = _setting("127.0.0.1", str, "", LISTEN_HOST)
    listen_port: int = _setting(9478, int, "", "port to serve on; 0 takes a free one and prints it")
    bearer_token_file: str = _setting("", str, "path", "file whose content readers of /metrics must send")
    tls_cert_file: str = _setting(
        "", str, "path", "certificate and its chain in PEM, to serve HTTPS with; read again when it changes"
    )
    tls_key_file: str = _setting("", str, "path", "its private key in PEM, without a password")
    tls_client_ca_file: str = _setting(
        "",
        str,
        "path",
        "authorities in PEM, one of whose certificates readers of /metrics must show; in place of a bearer token, or "
        "beside it",
    )
    interval_seconds: float = _setting(
        1.0, float, "seconds", "between ticks; NVML averages over 1/6 to 1 s, so 1 s leaves no holes"
    )
    max_gap_seconds: float = _setting(
        30.0, float, "seconds", "a longer interval between two ticks is lost but for its last part: a guess"
    )
    retention_seconds: float = _setting(
        86400.0, float, "seconds", "how long the counters of an ended holder stay; a day outlasts a long scrape outage"
    )
    hang_seconds: float = _setting(
        10.0,
        float,
        "seconds",
        "a tick that takes longer hangs: /readyz and the page say in what, and --once ends; a guess",
    )
    release_seconds: float = _setting(
        120.0,
        float,
        "seconds",
        "how long SIGUSR1 makes it let go of the driver, unless SIGUSR2 comes before: a guess, enough to load a driver "
        "or to cut cards anew",
    )
    state_file: str = _setting(
        "", str, "path", "file that carries the counters over a restart; without it they begin anew at each start"
    )
    state_interval_seconds: float = _setting(
        10.0, float, "seconds", "between saves of the state file; /metrics shows the counters as last saved"
    )
    metrics: str = _setting(
        "full",
        str,
        "",
        "full, or minimal: without the series of single GPUs, and of holders without memory, multiprocessors, tensor "
        "pipes, links, spread and rhythm",
    )
    holders_file: str = _setting("", str, "path", "TOML file that says who holds which GPU, see collector/holders.py")
    kubelet_socket: str = _setting(
        "",
        str,
        "path",
        "the kubelet's pod-resources socket, mostly /var/lib/kubelet/pod-resources/kubelet.sock; with it the kubelet "
        "and the Kubernetes API say who holds which GPU, and --node must be the node's name in Kubernetes",
    )
    api_server: str = _setting(
        "", str, "URL", "of the Kubernetes API server; default: what the pod's environment or the kubeconfig says"
    )
    kubeconfig: str = _setting("", str, "path", "kubeconfig file to reach it with, where no service account is mounted")
    api_token_file: str = _setting(
        f"{SERVICE_ACCOUNT}/token", str, "path", "the service account's token, read again when it changes"
    )
    api_ca_file: str = _setting(f"{SERVICE_ACCOUNT}/ca.crt", str, "path", "who may speak for the API server")
    tenant_adapters: str = _setting(
        "flopwatch",
        str,
        "",
        "whose labels on a namespace name its tenant: flopwatch, capsule, rancher, vcluster, vcluster-platform, with "
        "commas between",
    )
    site_key_file: str = _setting(
        "", str, "path", "key under which tenant names, where a label has no opaque id, leave the node as digests"
    )
    process_check: str = _setting(
        "off",
        str,
        "",
        "on or off: hold who is said to hold a GPU against the processes on it; needs the host's process ids",
    )
    mps_namespaces: str = _setting(
        "",
        str,
        "",
        "with --process-check: namespaces, with commas between, where the device plugin's MPS control daemon runs: "
        "what it computes is for others; no tenant may create pods there",
    )
    proc_path: str = _setting("/proc", str, "path", "with --process-check: where the host's /proc is")
    boot_id_file: str = _setting(
        "/proc/sys/kernel/random/boot_id", str, "path", "what tells one boot of the node from another"
    )
    sysfs_root: str = _setting("/sys", str, "path", "where sysfs is: GPUs that no driver reads are found there")
    simulate: str = _setting(
        "", str, "path", "play this scenario on a simulated driver instead of reading GPUs; every series says so"
    )
    speed: float = _setting(1.0, float, "ratio", "with --simulate: how much faster the scenario's clock runs")
    begins_at: float = _setting(
        0.0,
        float,
        "Unix time",
        "with --simulate: when the scenario begins; 0 is now. The same for all nodes of a scenario",
    )
    log_level: str = _setting("info", str, "", "debug, info, warning or error")
    once: bool = _setting(
        False,
        bool,
        "",
        "show what the GPUs do and who holds them, from two readings, and end; serves nothing and keeps nothing",
    )
    format: str = _setting("text", str, "", "with --once: text, for people, or json")

    def node_name(self) -> str:
        """The given name, or the host's."""
        return self.node or socket.gethostname()

    def token(self) -> str:
        """The bearer token; empty where none was asked for. Raises ValueError for a file that has none."""
        if not self.bearer_token_file:
            return ""
        try:
            token = Path(self.bearer_token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--bearer-token-file {self.bearer_token_file}: cannot be read ({error})") from error
        if not token:
            raise ValueError(f"--bearer-token-file {self.bearer_token_file}: is empty; write the token into it")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError(
                f"--bearer-token-file {self.bearer_token_file}: holds what no reader can send; "
                "write one token into it, in ASCII and without spaces"
            )
        return token


def environment_name(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()
