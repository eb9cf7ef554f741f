"""
Images from the project's own Dockerfiles, built by buildah on a base of Debian packages in place of the public one.

Neither a registry nor a container service is asked. What a build needs of the machine to reach its package index, the
authorities that it trusts and pip's own settings, is mounted for the build and is in no image.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import CACHE, locked

ROOT = Path(__file__).parents[2]
BASE = "localhost/flopwatch-base:1"
SUITE, PACKAGES = "bookworm", "python3,python3-venv,ca-certificates"
PAUSE = "localhost/pause:1"
"""Of the containers that only are there: busybox that sleeps."""
MOUNTED = (Path("/etc/ssl/certs"), Path("/usr/local/share/ca-certificates"))


@dataclass(frozen=True, slots=True)
class Images:
    """Images that are built below this folder."""

    folder: Path

    def archive(self, dockerfile: str, name: str) -> Path:
        """A docker archive of the image that this Dockerfile makes, under this name. Raises CalledProcessError."""
        self._have_base()
        context = self._context()
        links = filter(None, [os.environ.get("PIP_FIND_LINKS", "")])  # a folder or an address
        mounts = [f"--volume={path}:{path}:ro" for path in (*MOUNTED, *map(Path, links)) if path.exists()]
        mounts.append(f"--volume={self._pip_settings()}:/etc/pip.conf:ro")
        self.buildah(
            "bud", "--layers", "--isolation=chroot", "--pull-never", "--quiet", f"--build-arg=BASE={BASE}", *mounts,
            "--file", str(context / "k8s" / "images" / dockerfile), "--tag", name, str(context),
        )  # fmt: skip
        archive = self.folder / f"{dockerfile}.tar"
        self.buildah("push", "--quiet", name, f"docker-archive:{archive}:{name}")
        return archive

    def _pip_settings(self) -> Path:
        """How this machine's pip reaches its index, as a file: what is mounted is not in the image."""
        path = self.folder / "pip.conf"
        settings = {
            key[4:].lower().replace("_", "-"): value for key, value in os.environ.items() if key.startswith("PIP_")
        }
        path.write_text(
            "[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()), encoding="utf-8"
        )
        return path

    def _context(self) -> Path:
        """The project as a build sees it: the wheel and the Dockerfiles' folder."""
        context = self.folder / "context"
        if not context.exists():
            shutil.copytree(ROOT / "k8s" / "images", context / "k8s" / "images")
            shutil.copy(ROOT / ".dockerignore", context)
            wheel = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(context / "dist")]
            subprocess.run([*wheel, str(ROOT)], capture_output=True, check=True)
        return context

    def _have_base(self) -> None:
        if BASE in self.buildah("images", "--format={{.Name}}:{{.Tag}}"):
            return
        container = self.buildah("from", "scratch")
        self.buildah("add", container, str(_base()), "/")
        self.buildah("commit", "--quiet", container, BASE)

    def buildah(self, *arguments: str) -> str:
        """What buildah prints. Raises CalledProcessError with the end of what it says of an error."""
        storage = ["--storage-driver=overlay", f"--root={CACHE / 'images'}", f"--runroot={self.folder / 'run'}"]
        done = subprocess.run(["buildah", *storage, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr[-2000:])
        return done.stdout.strip()


def _base() -> Path:
    """A file system of Debian's smallest set of packages, with Python; made once."""
    archive = CACHE / f"{SUITE}-{PACKAGES}.tar"
    with locked(CACHE / f"{archive.name}.lock"):
        if not archive.exists():
            print(f"building {archive.name}: half a minute, once", flush=True)
            new = archive.with_suffix(".new.tar")
            command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(new)]
            subprocess.run(command, check=True, capture_output=True)
            new.replace(archive)
    return archive


def pause_image(folder: Path) -> Path:
    """A docker archive of PAUSE. Busybox is linked statically, so that it needs nothing else."""
    root = folder / "pause"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    for name in ("sh", "sleep", "wget", "cat", "nc", "ls", "dd", "tail", "true"):
        (root / "bin" / name).symlink_to("busybox")
    images, archive = Images(folder / "images"), folder / "pause.tar"
    images.folder.mkdir(exist_ok=True)
    container = images.buildah("from", "scratch")
    images.buildah("add", container, str(root), "/")
    images.buildah("config", "--cmd", '["/bin/sleep", "1000000"]', container)
    images.buildah("commit", "--quiet", container, f"docker-archive:{archive}:{PAUSE}")
    return archive
