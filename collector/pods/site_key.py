"""The site's key, under which names become digests before they leave a node."""

from pathlib import Path

LEAST_BYTES = 32  # as many as SHA-256 gives: a shorter key would be the weakest part of the digest


def read_site_key(path: Path) -> bytes:
    """The key in the file, without the newline at its end. Raises ValueError for a file without one, or a short one."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"site key {path}: cannot be read ({error.strerror}); let this user read it") from error
    if len(key) < LEAST_BYTES:
        raise ValueError(
            f"site key {path}: has {len(key)} bytes and needs {LEAST_BYTES}; make one with 'openssl rand -hex 32' and "
            "give the same to every node of the site"
        )
    return key
