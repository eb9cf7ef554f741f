"""
The certificate that the server shows, read again when its files change.

cert-manager and the like replace a certificate long before it ends, and nobody restarts a collector for that. A new
pair is taken at the next connection. One that is no use, such as a certificate whose key has not arrived yet, is said
once in the log; the pair before it stays in force until the files are mended.
"""

import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("flopwatch.collector")

HANDSHAKE = b"\x16"
"""What every TLS connection begins with: the content type of a handshake, RFC 8446 section 5.1."""

Version = tuple[tuple[int, int, int], ...]
"""What tells one state of the files from another: inode, change time and size of each."""


class UnusableTls(Exception):
    """Files that no TLS can be spoken with: which one, what is wrong with it, what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: a certificate with its chain, its key, and whose certificates readers have to show, if anybody's."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that there are."""
        return (self.certificate, self.key) if self.client_ca is None else (self.certificate, self.key, self.client_ca)


class Tls:
    """TLS 1.2 and newer with these files, as they stand now. For any thread."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises ``UnusableTls`` for files that are unusable now."""
        self._files = files
        self._lock = threading.Lock()
        self._problem = ""
        self._version = _version(files)
        self._context = _context(files)

    @property
    def asks_readers(self) -> bool:
        """Whether readers have to show a certificate."""
        return self._files.client_ca is not None

    def context(self) -> ssl.SSLContext:
        """What to speak TLS with; of the last files that were any use."""
        with self._lock:
            try:
                self._follow()
            except UnusableTls as error:
                if str(error) != self._problem:
                    log.warning("tls.unusable problem=%r next=%r", str(error), "the pair before it stays in force")
                self._problem = str(error)
            return self._context

    def _follow(self) -> None:
        version = _version(self._files)  # before the content: a change in between is then seen the next time
        if self._problem or version != self._version:
            self._context, self._version, self._problem = _context(self._files), version, ""
            log.info("tls.renewed path=%s", self._files.certificate)


def shows_certificate(connection: socket.socket) -> bool:
    """Whether the other side has shown a certificate that the handshake found good."""
    return isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())


def _version(files: TlsFiles) -> Version:
    found = []
    for path in files.paths:
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        found.append((status.st_ino, status.st_ctime_ns, status.st_size))
    return tuple(found)


def _context(files: TlsFiles) -> ssl.SSLContext:
    """
    Python's defaults for a server.

    A reader's certificate is asked for and not insisted on: the kubelet has none to show when it asks for ``/healthz``.
    One that is shown has to be good, or the handshake fails.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _readable(files)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except ssl.SSLError as error:
        raise UnusableTls(
            f"{files.certificate} with {files.key}: {error.reason or error}; "
            "give a certificate in PEM and the key that belongs to it, without a password"
        ) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except ssl.SSLError as error:
            raise UnusableTls(f"{files.client_ca}: {error.reason or error}; give certificates in PEM") from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _readable(files: TlsFiles) -> None:
    """OpenSSL does not say which of its files it could not open."""
    for path in files.paths:
        try:
            path.open("rb").close()
        except OSError as error:
            raise _unreadable(path, error) from error


def _no_password() -> str:
    """Without this OpenSSL would ask for one at the terminal, and wait."""
    return ""


def _unreadable(path: Path, error: OSError) -> UnusableTls:
    return UnusableTls(f"{path}: cannot be read ({error.strerror}); give a file that this user may read")
