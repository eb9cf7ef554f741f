"""The flags as ``--help`` explains them: every setting by what it is about; examples, signals and exit codes."""

import argparse
from dataclasses import Field, fields
from typing import Any, NoReturn

from collector.settings.fields import Settings, environment_name

GROUPS: dict[str, tuple[str, ...]] = {
    "the node and its readings": (
        "node",
        "interval_seconds",
        "max_gap_seconds",
        "retention_seconds",
        "hang_seconds",
        "release_seconds",
        "sysfs_root",
        "boot_id_file",
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


def flags_parser() -> argparse.ArgumentParser:
    """Reads the flags, None for one that was not given; exits with code 2 and one clear line on a bad one."""
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
    return parser


def _add_flag(group: argparse._ArgumentGroup, each: Field[Any]) -> None:
    flag, kind = "--" + each.name.replace("_", "-"), each.metadata["kind"]
    if kind is bool:
        group.add_argument(flag, action="store_const", const=True, help=_help(each))
    else:
        metavar = (each.metadata["unit"] or kind.__name__).upper().replace(" ", "_")
        group.add_argument(flag, type=kind, metavar=metavar, help=_help(each))


def _help(each: Field[Any]) -> str:
    unit = f" {each.metadata['unit']}" if each.metadata["unit"] else ""
    default = f" [{each.default}{unit}]" if each.default != "" else ""
    return f"{each.metadata['help']}{default} ({environment_name(each.name)})".replace("%", "%%")
