"""The images: each has one extra of the project, at the versions of the lock that everything is tested with."""

import re
import tomllib

import pytest
from support.manifests import ROOT

FOLDER = ROOT / "k8s" / "images"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

pytestmark = pytest.mark.parametrize(
    ("image", "extra", "other"), [("collector", "collector", "policy"), ("centre", "policy", "collector")]
)


def lock_of(image: str) -> str:
    """The lock of an image."""
    return (FOLDER / f"{image}.lock").read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and digests by name."""
    found = {}
    for requirement in re.split(r"\n(?=[a-z])", lock.strip()):
        pinned = re.match(r"([a-z0-9._-]+)==(\S+)", requirement)
        assert pinned, requirement
        found[pinned[1]] = (pinned[2], frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirement)))
    return found


def names(extra: str) -> set[str]:
    """The distributions that an extra asks for."""
    return {re.split(r"[<>=!~\[]", each)[0] for each in EXTRAS[extra]}


def test_it_is_a_part_of_the_lock_that_is_tested(image: str, extra: str, other: str) -> None:
    """Each pin has the version and the digests of requirements.lock, and at least one digest."""
    tested = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    locked = pins(lock_of(image))
    assert all(digests for _, digests in locked.values())
    assert locked.items() <= tested.items()


def test_it_has_all_of_its_extra_and_nothing_of_the_others(image: str, extra: str, other: str) -> None:
    """What its extra asks for is there; what only the others ask for is not, nor what installs packages."""
    has = set(pins(lock_of(image)))
    brought = {"pydantic", "pyyaml"} if image == "collector" else set()  # by the kubernetes client
    assert names(extra) <= has
    assert not ((names(other) | names("dev")) - names(extra) - brought | {"pip", "setuptools", "wheel"}) & has


def test_the_lock_names_no_registry(image: str, extra: str, other: str) -> None:
    """It has no address of a package registry and no option that could hold one."""
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", lock_of(image))


def test_the_image_is_pinned_hashed_and_nobodys(image: str, extra: str, other: str) -> None:
    """Its base is an argument without default, its packages are checked by digest, and it does not run as root."""
    dockerfile = (FOLDER / f"{image}.Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE$", dockerfile, flags=re.MULTILINE)
    assert {each.split()[1] for each in re.findall(r"^FROM .*", dockerfile, flags=re.MULTILINE)} == {"${BASE}"}
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER 65532:65532$", dockerfile, flags=re.MULTILINE)
    assert f"ARG VERSION={PROJECT['version']}" in dockerfile
