import re
from pathlib import Path

LOCK = (Path(__file__).parents[2] / "requirements.lock").read_text(encoding="utf-8")


def test_every_requirement_is_pinned_and_hashed() -> None:
    """Every requirement has one version and at least one hash."""
    requirements = re.split(r"\n(?=[a-z])", LOCK.strip())
    assert len(requirements) > 20
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_lock_names_no_registry() -> None:
    """The lock file has no address of a package registry and no option that could hold one."""
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", LOCK)
