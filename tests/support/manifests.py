"""The objects that kustomize makes of a folder below k8s/."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    not shutil.which("kubectl") and not os.environ.get("FLOPWATCH_REQUIRE_CLUSTER"), reason="kubectl is missing"
)


@cache
def rendered(folder: str) -> tuple[Object, ...]:
    """Every object of a folder."""
    command = ["kubectl", "kustomize", str(ROOT / "k8s" / folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(yaml.safe_load_all(text))


def of_kind(folder: str, kind: str) -> dict[str, Object]:
    """The objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in rendered(folder) if each["kind"] == kind}
