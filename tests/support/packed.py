"""Files as registers pack them."""

import gzip
import io
import zipfile


def gzipped(content: bytes) -> bytes:
    """As ``.gz``."""
    return gzip.compress(content)


def zipped(content: bytes) -> bytes:
    """Alone in a ``.zip``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", content)
    return out.getvalue()
