"""A ``/proc`` in a folder, with processes whose cgroup and start are what a test says."""

from pathlib import Path

TICKS_PER_SECOND = 100  # what Linux tells user space on every architecture this runs on


class AProc:
    """A folder that looks like the host's ``/proc``: kernel threads are there, unless it is a container's."""

    def __init__(self, folder: Path, *, of_host: bool = True) -> None:
        self.path = folder / "proc"
        self.put(2, "0::/\n", name="kthreadd" if of_host else "sh", flags=2129984 if of_host else 4194560)

    def put(self, pid: int, cgroup: str, *, started_s: float = 1.0, name: str = "python", flags: int = 4194560) -> None:
        """A process, or another one under the same id."""
        folder = self.path / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        start = round(started_s * TICKS_PER_SECOND)
        (folder / "stat").write_text(f"{pid} ({name}) S 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0\n")
        (folder / "cgroup").write_text(cgroup)

    def end(self, pid: int) -> None:
        """The process is gone."""
        for file in (self.path / str(pid)).iterdir():
            file.unlink()
        (self.path / str(pid)).rmdir()


def a_pod_cgroup(pod_uid: str, container: str = "c" * 64) -> str:
    """The cgroup text of a process in this pod, as containerd writes it with the systemd driver."""
    slice_name = f"kubepods-burstable-pod{pod_uid.replace('-', '_')}.slice"
    return f"0::/kubepods.slice/kubepods-burstable.slice/{slice_name}/cri-containerd-{container}.scope\n"


def a_uid(number: int) -> str:
    """The UID of some pod."""
    return f"00000000-0000-4000-8000-{number:012d}"
