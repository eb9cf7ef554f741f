"""
The programs of a cluster, built once from their Go modules into a cache outside the repository.

A build stands in a folder named by what it was made of: the program's version and Go's. It is made aside and renamed,
so that whatever is there is whole; a lock keeps two builders from making the same.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = os.environ.get("FLOPWATCH_KUBERNETES", "1.36.3")
"""Which Kubernetes the cluster is of: another minor is another build."""
CACHE = Path(os.environ.get("FLOPWATCH_CLUSTER_CACHE", Path.home() / ".cache" / "flopwatch-cluster"))
IN_OWN_TREE = re.compile(r"^\s*(?:replace\s+)?(\S+)\s+=>\s+(?:\./staging|\.\.)/", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Go module and the commands in it. ``staging``: the version of the modules that it has in its own tree."""

    name: str
    module: str
    version: str
    commands: tuple[str, ...]
    staging: str
    flags: str = ""

    @property
    def programs(self) -> dict[str, str]:
        """By its package, what a command is called: by its last part that is not a version."""
        return {each: _program(each, self.name) for each in self.commands}


def kubernetes(version: str = KUBERNETES) -> Source:
    """Control plane, kubelet and kube-proxy. Without the flags they would call themselves v0.0.0."""
    major, minor, _ = version.split(".")
    about = "k8s.io/component-base/version"
    return Source(
        name="kubernetes",
        module="k8s.io/kubernetes",
        version=f"v{version}",
        commands=tuple(
            f"k8s.io/kubernetes/cmd/{each}"
            for each in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
        ),
        staging=f"v0.{minor}.{version.rpartition('.')[2]}",
        flags=f"-X {about}.gitVersion=v{version} -X {about}.gitMajor={major} -X {about}.gitMinor={minor}",
    )


ETCD = Source(
    name="etcd",
    module="go.etcd.io/etcd/server/v3",
    version="v3.6.4",
    commands=("go.etcd.io/etcd/server/v3",),
    staging="v3.6.4",
)
KWOK = Source(
    name="kwok",
    module="sigs.k8s.io/kwok",
    version="v0.8.0",
    commands=("sigs.k8s.io/kwok/cmd/kwok",),
    staging="",
)


def built(source: Source) -> Path:
    """The folder with the programs; they are built if it is not there yet. Raises CalledProcessError."""
    go = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    there = CACHE / f"{source.name}-{source.version}-{go}"
    with locked(CACHE / f"{there.name}.lock"):
        if not there.exists():
            _build(source, there)
    return there


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Whoever has this lock is the only one; the folder of the file is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(source: Source, there: Path) -> None:
    print(f"building {there.name}: minutes, once", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        module = Path(folder, "module")
        module.mkdir()
        Path(module, "go.mod").write_text(_go_mod(source), encoding="utf-8")
        imports = "\n".join(f'import _ "{each}"' for each in source.commands)
        Path(module, "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}\n", encoding="utf-8")
        subprocess.run(["go", "mod", "tidy"], cwd=module, check=True)
        programs = Path(folder, "programs")
        programs.mkdir()
        for package, program in source.programs.items():
            print(f"  {program}", flush=True)
            flags = f"-s -w {source.flags}"
            command = ["go", "build", "-trimpath", "-ldflags", flags, "-o", str(programs / program), package]
            subprocess.run(command, cwd=module, check=True, env=os.environ | {"CGO_ENABLED": "0"})
        shutil.move(programs, there)


def _go_mod(source: Source) -> str:
    """A module that needs this one; what it takes from its own tree is taken as published."""
    asked = ["go", "mod", "download", "-json", f"{source.module}@{source.version}"]
    found = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    own = Path(found["GoMod"]).read_text(encoding="utf-8")
    replaced = "".join(f"replace {each} => {each} {source.staging}\n" for each in IN_OWN_TREE.findall(own))
    return f"module cluster\n\ngo 1.24\n\nrequire {source.module} {source.version}\n\n{replaced}"


def _program(package: str, name: str) -> str:
    last = package.rpartition("/")[2]
    return name if re.fullmatch(r"v[0-9]+", last) else last


def main() -> None:
    """Build all that is not there yet: before the tests, whose time is limited. Without Go they say so themselves."""
    if shutil.which("go"):
        for source in (kubernetes(), ETCD, KWOK):
            print(f"have {built(source).name}", flush=True)


if __name__ == "__main__":
    main()
