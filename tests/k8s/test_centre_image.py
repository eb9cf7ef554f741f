"""The lock of the centre's image: the policy extra, at the versions of the lock that everything is tested with."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "k8s" / "images" / "centre.lock").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "k8s" / "images" / "centre.Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


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


def test_it_is_a_part_of_the_lock_that_is_tested() -> None:
    """Each pin has the version and the digests of requirements.lock, and at least one digest."""
    tested = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert all(digests for _, digests in pins(LOCK).values())
    assert pins(LOCK).items() <= tested.items()


def test_it_has_all_of_its_extra_and_nothing_of_the_others() -> None:
    """What [policy] asks for is there; what only [collector] or [dev] asks for is not, nor what installs packages."""
    has = set(pins(LOCK))
    assert names("policy") <= has
    assert not ((names("collector") | names("dev")) - names("policy") | {"pip", "setuptools", "wheel"}) & has


def test_the_lock_names_no_registry() -> None:
    """It has no address of a package registry and no option that could hold one."""
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", LOCK)


def test_the_image_is_pinned_hashed_and_nobodys() -> None:
    """Its base is an argument without default, its packages are checked by digest, and it does not run as root."""
    assert re.search(r"^ARG BASE$", DOCKERFILE, flags=re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 65532:65532$", DOCKERFILE, flags=re.MULTILINE)
    assert f"ARG VERSION={PROJECT['version']}" in DOCKERFILE
