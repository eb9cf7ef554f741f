"""
The machine that a cluster runs on: namespaces of its own for processes, mounts and network.

All that a cluster leaves behind on a host, it leaves in them: containers and their shims are processes of the namespace
and are killed with its first; mounts, interfaces, routes and packet filters go with their namespaces. So nothing has to
be taken down in order, and a test run that is killed takes its cluster with it.

A pair of virtual interfaces joins it with the host: what listens at the machine's address is reached from the tests.
Folders of the host that a kubelet or a container runtime writes to are covered by folders of the run.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST_ADDRESS, ADDRESS, POD_NETWORK, SERVICE_NETWORK = "10.213.0.1", "10.213.0.2", "10.213.64.0/20", "10.213.128.0/20"
INTERFACE = "fw-cluster"
COVERED = {
    "/var/lib/kubelet": "kubelet",
    "/var/log/pods": "pod-logs",
    "/var/log/containers": "container-logs",
    "/var/run/netns": "netns",
    "/var/lib/cni": "cni-state",
    "/var/lib/flopwatch": "flopwatch",
}
"""Folders of the host, by the folder of the run that stands in their place within the machine."""
_FIRST = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.2)
"""
_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
"""How to call a program that is killed when whoever called it has ended, in whatever way."""


class NotStarted(Exception):
    """A part of the cluster that does not work: which, and the end of its log."""


@dataclass(slots=True)
class Part:
    """A program that runs on the machine, and its log. ``process`` is nsenter, and has the program for a child."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The program's process id as the tests see it."""
        return _child_of(self.process.pid)

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 30.0) -> None:
        """Ask it to end, and kill it if it does not."""
        if self.process.poll() is None:
            os.kill(self.pid, number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
                self.process.wait()

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@dataclass(slots=True)
class Machine:
    """A started machine. ``folder`` has all that the run writes; ``made`` are the folders that the host had not."""

    folder: Path
    first: int
    _holder: subprocess.Popen[bytes]
    parts: list[Part] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)

    @classmethod
    def start(cls, folder: Path, *, joined: bool = True) -> "Machine":
        """Make the namespaces, and if asked join them with the host. Raises ``NotStarted``."""
        apart = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child=KILL", "--mount-proc")
        holder = subprocess.Popen([*_WITH_ITS_PARENT, *apart, sys.executable, "-c", _FIRST])
        machine = cls(folder=folder, first=_child_of(holder.pid), _holder=holder)
        machine._cover()
        if joined:
            machine._connect()
        return machine

    def inside(self, *command: str) -> list[str]:
        """The command as it has to be called to run on the machine."""
        return ["nsenter", "--target", str(self.first), "--net", "--pid", "--mount", "--", *command]

    def run(self, *command: str, text: str | None = None) -> str:
        """What a command prints that is run on the machine. Raises ``NotStarted`` with what it says of an error."""
        done = subprocess.run(self.inside(*command), input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotStarted(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def begin(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> Part:
        """Start a program; its output goes to a file of its name."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*_WITH_ITS_PARENT, *self.inside(*command)], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})}, start_new_session=True,
            )  # fmt: skip
        part = Part(name=name, process=process, log=log)
        self.parts = [*(each for each in self.parts if each.name != name), part]
        return part

    def wait_for(
        self, what: str, is_so: Callable[[], object], *, part: Part | None = None, seconds: float = 60
    ) -> None:
        """Wait until it is so. Raises ``NotStarted`` if it is not in time, or the part ends before."""
        deadline = time.monotonic() + seconds
        while not is_so():
            ended = part is not None and part.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise NotStarted(f"not in {seconds:g} s: {what}\n{part.tail() if part else ''}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill all that runs on it. Its namespaces, and all in them, go with its last process."""
        self._holder.kill()
        self._holder.wait()
        for part in self.parts:
            part.process.wait()
        for path in self.made:
            path.rmdir()
        gone = Path("/sys/class/net", INTERFACE)
        deadline = time.monotonic() + 30
        while gone.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def host_proc(self) -> Path:
        """Where the machine has the host's /proc, whose process ids are those that the tests see."""
        return self.folder / "host-proc"

    def _cover(self) -> None:
        self.run("mount", "--make-rshared", "/")
        self.host_proc.mkdir()
        outside = ("nsenter", "--target", str(self.first), "--mount", "--")  # what is mounted is of the mounter's ids
        _host(*outside, "mount", "-t", "proc", "proc", str(self.host_proc))
        for path, name in COVERED.items():
            (self.folder / name).mkdir(exist_ok=True)
            if not Path(path).exists():
                Path(path).mkdir(parents=True)
                self.made.append(Path(path))
            self.run("mount", "--bind", str(self.folder / name), path)

    def _connect(self) -> None:
        _host("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", "eth0", "netns", str(self.first))
        _host("ip", "address", "add", f"{HOST_ADDRESS}/30", "dev", INTERFACE)
        _host("ip", "link", "set", INTERFACE, "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{ADDRESS}/30", "dev", "eth0"],
            ["ip", "link", "set", "eth0", "up"],
            ["ip", "route", "add", "default", "via", HOST_ADDRESS],
            ["sysctl", "-qw", "net.ipv4.ip_forward=1"],
        ):
            self.run(*command)
        for network in (POD_NETWORK, SERVICE_NETWORK):
            _host("ip", "route", "add", network, "via", ADDRESS)


def _host(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotStarted(f"{' '.join(command)}: {done.stderr.strip()}")


def _child_of(pid: int) -> int:
    """The process that unshare or nsenter has made, once it is another program than they are."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        if found and Path(f"/proc/{found[0]}/comm").read_text(encoding="ascii").strip() not in ("unshare", "nsenter"):
            return int(found[0])
        time.sleep(0.01)
    raise NotStarted(f"process {pid} has made no other on the machine")
