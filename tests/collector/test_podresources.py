import hashlib
import re
from pathlib import Path

import pytest
from grpc_tools import protoc

from collector.kubelet.podresources import api_pb2

ROOT = Path(api_pb2.__file__).parents[3]  # where collector/ is, in a checkout or installed
FOLDER = Path("collector/kubelet/podresources")
UPSTREAM_SHA256 = "f65bc77eb41334effc87fdd8c234bdcdbf01a64122010dca50a6fecfaed9390c"  # in k8s.io/kubelet v0.36.3


def test_the_proto_is_the_kubelets_own() -> None:
    """Below two lines of ours, which name licence and source, the proto is the kubelet's, byte for byte."""
    licence, source, rest = (ROOT / FOLDER / "api.proto").read_bytes().split(b"\n", 2)
    assert b"Copyright The Kubernetes Authors" in licence
    assert b"Apache License, Version 2.0" in licence
    assert b"k8s.io/kubelet v0.36.3" in source
    assert hashlib.sha256(rest).hexdigest() == UPSTREAM_SHA256


def test_the_generated_files_are_what_protoc_writes(tmp_path: Path) -> None:
    """``make podresources`` changes nothing: the committed files are the ones protoc writes from the proto."""
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi")]
    assert protoc.main(["protoc", f"--proto_path={ROOT}", *out, str(ROOT / FOLDER / "api.proto")]) == 0
    for name in ("api_pb2.py", "api_pb2.pyi"):
        fresh, committed = ((root / FOLDER / name).read_text(encoding="utf-8") for root in (tmp_path, ROOT))
        if _version(fresh) != _version(committed):
            pytest.skip(f"protoc is {_version(fresh)}, the files were written by {_version(committed)}")
        assert fresh == committed, f"{name}: run make podresources"


def _version(generated: str) -> list[str]:
    return re.findall(r"# Protobuf Python Version: (\S+)", generated)


def test_the_messages_clash_with_nobodys() -> None:
    """The messages are registered under this package's path: another library's ``api.proto`` stays loadable."""
    assert api_pb2.DESCRIPTOR.name == f"{FOLDER}/api.proto"
