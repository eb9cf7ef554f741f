"""
Every setting of the collector, once: its flag, its environment variable, its unit, its default and why.

A flag wins over the environment (``FLOPWATCH_COLLECTOR_…``), which wins over the default.
"""

import argparse
import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

ENVIRONMENT_PREFIX = "FLOPWATCH_COLLECTOR_"
PROFILES = ("minimal", "full")
LOG_LEVELS = ("debug", "info", "warning", "error")
KINDS = {int: "an int", float: "a float", str: "a text", bool: "true or false"}
TRUTHS = {"true": True, "false": False}
FORMATS = ("text", "json")
LISTEN_HOST = (
    "address to serve on; any but loopback needs --bearer-token-file or --tls-client-ca-file, and without "
    "--tls-cert-file the token travels in clear text unless TLS is put in front"
)
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where Kubernetes mounts it
LARGEST = {
    "interval_seconds": 86_400.0,
    "max_gap_seconds": 315_360_000.0,  # ten years
    "retention_seconds": 315_360_000.0,
    "hang_seconds": 86_400.0,
    "release_seconds": 86_400.0,
    "state_interval_seconds": 86_400.0,
    "speed": 100_000.0,  # a day in a second
    "begins_at": 4_102_444_800.0,  # the year 2100
}
"""Beyond these nothing useful is meant, and below them no moment overflows; all are guesses."""

SHORTEST_INTERVAL_SECONDS = 0.001  # far below what a driver samples; below a nanosecond no tick would follow another
SLOWEST_SPEED = 0.001  # a guess; near 0 a wait for the next tick is longer than can be waited


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


GROUPS: dict[str, tuple[str, ...]] = {
    "the node and its readings": (
        "node",
        "interval_seconds",
        "max_gap_seconds",
        "retention_seconds",
        "hang_seconds",
        "release_seconds",
        "sysfs_root",
        "log_level",
    ),
    "who holds the GPUs": ("holders_file", "kubelet_socket"),
    "Kubernetes, with --kubelet-socket": (
        "api_server",
        "kubeconfig",
        "api_token_file",
        "api_ca_file",
        "tenant_adapters",
        "site_key_file",
    ),
    "checks": ("process_check", "proc_path", "mps_namespaces"),
    "serving": (
        "listen_host",
        "listen_port",
        "bearer_token_file",
        "tls_cert_file",
        "tls_key_file",
        "tls_client_ca_file",
        "metrics",
    ),
    "state": ("state_file", "state_interval_seconds"),
    "simulation": ("simulate", "speed", "begins_at"),
    "one look in place of serving": ("once", "format"),
}
"""Every setting, by what it is about, in the order in which ``--help`` explains them."""

EXAMPLES = """examples:
  flopwatch-collector                                  read this node's GPUs, serve on 127.0.0.1:9478
  flopwatch-collector --holders-file holders.toml      … and attribute them to the holders in a file
  flopwatch-collector --kubelet-socket /var/lib/kubelet/pod-resources/kubelet.sock --node "$NODE_NAME"
                                                       … or as the kubelet and the Kubernetes API say
  flopwatch-collector --listen-host 0.0.0.0 --bearer-token-file token --tls-cert-file tls.crt --tls-key-file tls.key
                                                       … and let Prometheus on another machine read them
  flopwatch-collector --once                           a table of this node's GPUs, now
  flopwatch-collector --simulate scenario.toml --node node-a --speed 60
                                                       play a scenario, sixty times as fast

signals: SIGTERM and SIGINT stop it; SIGUSR1 makes it let go of the driver, for an upgrade or a change of MIG layouts,
for --release-seconds, and SIGUSR2 makes it take the driver back at once

exit codes: 0 stopped by a signal, 1 cannot serve or broke down, 2 unusable settings
with --once: 0 every GPU was read, 2 unusable settings, 3 some GPU could not be read, the driver hangs, or there is none
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line on what is wrong, and exit code 2."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def read_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from flags and environment; exits with code 2 and one clear line on a bad one."""
    parser = _Parser(
        prog="flopwatch-collector",
        usage="%(prog)s [--SETTING VALUE …]",
        description="Reads every GPU of a node and serves who used which, for how long and how hard, as metrics.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    by_name = {each.name: each for each in fields(Settings)}
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            _add_flag(group, by_name[name])
    flags = vars(parser.parse_args(arguments))
    settings = Settings(
        **{
            each.name: _otherwise(parser, each, environment) if flags[each.name] is None else flags[each.name]
            for each in fields(Settings)
        }
    )
    for is_wrong, problem in _problems(settings):
        if is_wrong:
            parser.error(problem)
    return settings


def _add_flag(group: argparse._ArgumentGroup, each: Field[Any]) -> None:
    flag, kind = "--" + each.name.replace("_", "-"), each.metadata["kind"]
    if kind is bool:
        group.add_argument(flag, action="store_const", const=True, help=_help(each))
    else:
        metavar = (each.metadata["unit"] or kind.__name__).upper().replace(" ", "_")
        group.add_argument(flag, type=kind, metavar=metavar, help=_help(each))


def environment_name(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()


def _otherwise(parser: argparse.ArgumentParser, each: Field[Any], environment: Mapping[str, str]) -> Any:
    """The value of a setting without flag; an empty variable is one that was not set."""
    text = environment.get(environment_name(each.name), "")
    if not text:
        return each.default
    try:
        return TRUTHS[text.lower()] if each.metadata["kind"] is bool else each.metadata["kind"](text)
    except (ValueError, KeyError):
        parser.error(f"{environment_name(each.name)}: {text!r} is not {KINDS[each.metadata['kind']]}")


def _help(each: Field[Any]) -> str:
    unit = f" {each.metadata['unit']}" if each.metadata["unit"] else ""
    default = f" [{each.default}{unit}]" if each.default != "" else ""
    return f"{each.metadata['help']}{default} ({environment_name(each.name)})".replace("%", "%%")


def _problems(given: Settings) -> tuple[tuple[bool, str], ...]:
    """Everything that can be wrong with settings, and what to do about it."""
    numbers = {name: getattr(given, name) for name in LARGEST}
    too_large = [name for name, number in numbers.items() if number > LARGEST[name]]
    return (
        (given.log_level.lower() not in LOG_LEVELS, f"--log-level must be one of {', '.join(LOG_LEVELS)}"),
        (given.format not in FORMATS, f"--format must be one of {', '.join(FORMATS)}"),
        (
            bool(given.tls_cert_file) != bool(given.tls_key_file),
            "--tls-cert-file and --tls-key-file need each other: a certificate and its key",
        ),
        (
            bool(given.tls_client_ca_file and not given.tls_cert_file),
            "--tls-client-ca-file needs --tls-cert-file: only over TLS can readers show a certificate",
        ),
        (given.metrics not in PROFILES, f"--metrics must be one of {', '.join(PROFILES)}"),
        (given.process_check not in ("on", "off"), "--process-check must be on or off"),
        (
            given.process_check == "on" and bool(given.simulate),
            "--process-check and --simulate exclude each other: a scenario has no processes",
        ),
        (not 0 <= given.listen_port <= 65535, "--listen-port must be from 0 to 65535"),
        (not given.node.isprintable(), "--node must be printable text in UTF-8"),
        (not all(map(math.isfinite, numbers.values())), "numbers must be finite"),
        *((True, f"--{name.replace('_', '-')} must be at most {LARGEST[name]:.0f}") for name in too_large),
        (given.interval_seconds < SHORTEST_INTERVAL_SECONDS, "--interval-seconds must be at least 0.001"),
        (given.speed < SLOWEST_SPEED, "--speed must be at least 0.001"),
        (
            min(given.hang_seconds, given.release_seconds) <= 0,
            "--hang-seconds and --release-seconds must be above 0",
        ),
        (
            given.max_gap_seconds < given.interval_seconds,
            "--max-gap-seconds must be at least --interval-seconds, or every tick would be late",
        ),
        (
            min(given.retention_seconds, given.begins_at, given.state_interval_seconds) < 0,
            "--retention-seconds, --begins-at and --state-interval-seconds must not be negative",
        ),
        (given.speed != 1.0 and not given.simulate, "--speed needs --simulate: real GPUs run on real time"),
        (given.begins_at != 0.0 and not given.simulate, "--begins-at needs --simulate: it is a scenario that begins"),
        (
            bool(given.kubelet_socket and given.holders_file),
            "--holders-file and --kubelet-socket exclude each other: one of them says who holds the GPUs",
        ),
        (
            bool(given.simulate and given.holders_file),
            "--holders-file and --simulate exclude each other: a scenario says who holds its GPUs",
        ),
        (
            bool(given.simulate and not given.node),
            "--simulate needs --node: which of the scenario's nodes to play",
        ),
    )
