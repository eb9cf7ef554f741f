"""A real server that speaks real TLS, with certificates of tests/support/tls."""

import json
import logging
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from support.api_server import TLS
from support.drivers import ADriver, well
from support.http import ask, get
from support.nodes import ASource, ToldClock, a_collector
from support.scenarios import Moment
from support.serving import port_of, serving

from collector.connections import Connections
from collector.loop import Collector
from collector.server import NotLoopback, make_server
from collector.tls import Tls, TlsFiles, UnusableTls

CA, OTHER_CA, PAIR, OTHER_PAIR = (TLS / f"{name}.pem" for name in ("ca", "other-ca", "server", "other-server"))


@pytest.fixture
def collector() -> Collector:
    """A collector of one GPU that has ticked once."""
    made = a_collector(ToldClock(Moment()), ASource(dict), open_driver=lambda: ADriver(lambda: [well("GPU-0")]))
    made.tick()
    return made


def the_files(*, client_ca: Path | None = None) -> TlsFiles:
    """A certificate for 127.0.0.1, in one file with its key."""
    return TlsFiles(certificate=PAIR, key=PAIR, client_ca=client_ca)


def a_reader(authority: Path = CA, *, certificate: Path | None = None) -> ssl.SSLContext:
    """Trusts this authority alone, and shows this certificate."""
    context = ssl.create_default_context(cafile=str(authority))
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


def test_pages_are_served_over_tls(collector: Collector) -> None:
    """A reader that verifies the certificate gets the page by TLS 1.2 or newer, and the URL says https."""
    with serving(collector, tls=Tls(the_files())) as server:
        assert server.url == f"https://127.0.0.1:{port_of(server)}"
        response, body = ask(port_of(server), "GET", "/metrics", tls=a_reader())
        assert response.status == 200
        assert b"flopwatch_gpus{" in body
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            reader = a_reader()
            reader.minimum_version = reader.maximum_version = version
            assert ask(port_of(server), "HEAD", "/healthz", tls=reader)[0].status == 200


def test_curl_reads_it(collector: Collector) -> None:
    """What Prometheus and people use reads it too: the whole page, without a complaint about how it ends."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    with serving(collector, tls=Tls(the_files())) as server:
        command = [curl, "--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert", str(CA)]
        command.append(f"{server.url}/metrics")
        read = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (read.returncode, read.stderr) == (0, "")
    assert "flopwatch_gpus{" in read.stdout


def test_another_authority_does_not_verify(collector: Collector) -> None:
    """A reader that trusts somebody else refuses, and the server goes on."""
    with serving(collector, tls=Tls(the_files())) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port_of(server), "GET", "/metrics", tls=a_reader(OTHER_CA))
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader())[0].status == 200


def test_plain_http_is_told_to_use_tls(collector: Collector) -> None:
    """Who forgets the s is told so, and gets no page."""
    with serving(collector, tls=Tls(the_files())) as server:
        response, body = get(port_of(server), "/metrics")
        assert (response.status, json.loads(body)) == (400, {"error": "this port speaks TLS: ask by https"})


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x16 this is no handshake at all"])
def test_a_handshake_that_does_not_come_keeps_nobody_waiting(
    collector: Collector, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    """While a connection is silent, in the middle of a handshake, or garbled, others are answered; it is no defect."""
    with serving(collector, tls=Tls(the_files())) as server:
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=30) as connection:
            connection.sendall(said)
            for _ in range(3):
                assert ask(port_of(server), "GET", "/healthz", tls=a_reader())[0].status == 200
        assert ask(port_of(server), "GET", "/healthz", tls=a_reader())[0].status == 200
    assert not caplog.records


def test_too_many_connections_are_closed(collector: Collector) -> None:
    """Beyond the limit a reader over TLS is turned away at once: nobody makes a handshake with it."""
    with (
        serving(collector, tls=Tls(the_files()), connections=Connections(at_once=0)) as server,
        pytest.raises(OSError, match=r"EOF|reset|closed"),
    ):
        ask(port_of(server), "GET", "/healthz", tls=a_reader())


# Whose certificate a reader shows


@pytest.mark.parametrize(
    ("path", "certificate", "status"),
    [("/metrics", PAIR, 200), ("/metrics", None, 403), ("/healthz", None, 200), ("/readyz", None, 200)],
)
def test_readers_show_a_certificate(collector: Collector, path: str, certificate: Path | None, status: int) -> None:
    """With an authority for readers /metrics answers to its certificates only; the kubelet has none, and may probe."""
    with serving(collector, tls=Tls(the_files(client_ca=CA))) as server:
        response, body = ask(port_of(server), "GET", path, tls=a_reader(certificate=certificate))
    assert response.status == status
    assert (b"flopwatch_" in body) == (path == "/metrics" and status == 200)


def test_a_certificate_of_somebody_else_is_worse_than_none(collector: Collector) -> None:
    """One that the authority did not sign ends the connection, whatever is asked for."""
    with serving(collector, tls=Tls(the_files(client_ca=CA))) as server:
        for path in ("/metrics", "/healthz"):
            with pytest.raises(OSError):  # noqa: PT011 - alert or reset, by when the reader notices
                ask(port_of(server), "GET", path, tls=a_reader(certificate=OTHER_PAIR))
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader(certificate=PAIR))[0].status == 200


def test_certificate_and_token_together_are_both_needed(collector: Collector) -> None:
    """Where both are asked for, one of them is not enough."""
    with serving(collector, token="secret", tls=Tls(the_files(client_ca=CA))) as server:
        known, unknown = a_reader(certificate=PAIR), a_reader()
        for reader, headers, status in (
            (known, {"Authorization": "Bearer secret"}, 200),
            (known, {}, 401),
            (unknown, {"Authorization": "Bearer secret"}, 403),
        ):
            assert ask(port_of(server), "GET", "/metrics", tls=reader, **headers)[0].status == status


def test_an_open_address_may_go_by_certificates(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """An authority for readers stands in for the token on any address; TLS without one does not."""
    with serving(collector, host="0.0.0.0", tls=Tls(the_files(client_ca=CA))) as server:
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader())[0].status == 403
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader(certificate=PAIR))[0].status == 200
    with serving(collector, host="0.0.0.0", token="secret", tls=Tls(the_files())) as server:
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader())[0].status == 401
    with pytest.raises(NotLoopback):
        make_server(collector, host="0.0.0.0", port=0, bearer_token="", tls=Tls(the_files()))
    assert not caplog.records  # nothing travels in clear text


# Certificates that change


class Mounted:
    """A certificate and its key in a folder, replaced as a mounted secret is: by another file of the same name."""

    def __init__(self, folder: Path) -> None:
        self.files = TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key")
        self.put(PAIR, PAIR)

    def put(self, certificate: Path, key: Path) -> None:
        """These instead of those before."""
        for source, target in ((certificate, self.files.certificate), (key, self.files.key)):
            new = target.with_suffix(".new")
            new.write_bytes(source.read_bytes())
            new.replace(target)


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    """The pair of the first authority."""
    return Mounted(tmp_path)


def test_a_new_pair_is_taken_without_a_restart(collector: Collector, mounted: Mounted) -> None:
    """The next connection after the files were replaced has the new certificate; the listener stays."""
    with serving(collector, tls=Tls(mounted.files)) as server:
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader(CA))[0].status == 200
        mounted.put(OTHER_PAIR, OTHER_PAIR)
        assert ask(port_of(server), "GET", "/metrics", tls=a_reader(OTHER_CA))[0].status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(port_of(server), "GET", "/metrics", tls=a_reader(CA))


@pytest.mark.parametrize("broken", ["half", "rubbish", "gone"])
def test_a_pair_that_is_no_use_leaves_the_old_one_in_force(
    collector: Collector, mounted: Mounted, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """It is said once in the log, readers notice nothing, and the first good pair after it is taken."""
    with serving(collector, tls=Tls(mounted.files)) as server:
        match broken:
            case "half":
                mounted.put(OTHER_PAIR, PAIR)  # the key has not arrived yet
            case "rubbish":
                mounted.put(TLS / "README.md", TLS / "README.md")
            case _:
                mounted.files.key.unlink()
        for _ in range(3):
            assert ask(port_of(server), "GET", "/metrics", tls=a_reader(CA))[0].status == 200
        (record,) = caplog.records
        assert record.message.startswith("tls.unusable problem=")
        assert str(mounted.files.key) in record.message
        mounted.put(OTHER_PAIR, OTHER_PAIR)
        with caplog.at_level(logging.INFO):
            assert ask(port_of(server), "GET", "/metrics", tls=a_reader(OTHER_CA))[0].status == 200
    assert caplog.records[-1].message == f"tls.renewed path={mounted.files.certificate}"


@pytest.mark.parametrize(
    ("certificate", "key", "client_ca", "says"),
    [
        (PAIR, OTHER_PAIR, None, "KEY_VALUES_MISMATCH; give a certificate in PEM and the key that belongs to it"),
        (CA, CA, None, "give a certificate in PEM and the key that belongs to it"),
        (TLS / "none.pem", PAIR, None, r"none\.pem: cannot be read \(No such file or directory\); give a file"),
        (PAIR, TLS, None, r"tls: cannot be read \(Is a directory\)"),
        (PAIR, PAIR, TLS / "README.md", r"README\.md: NO_CERTIFICATE_OR_CRL_FOUND; give certificates in PEM"),
    ],
)
def test_files_that_are_no_use_at_the_start_are_refused(
    certificate: Path, key: Path, client_ca: Path | None, says: str
) -> None:
    """A server does not start with half a pair: it says which file, what is wrong and what to give."""
    with pytest.raises(UnusableTls, match=says):
        Tls(TlsFiles(certificate=certificate, key=key, client_ca=client_ca))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    """OpenSSL does not wait at a terminal for what nobody types."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    locked = tmp_path / "locked.pem"
    command = [openssl, "pkey", "-in", str(PAIR), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    with pytest.raises(UnusableTls, match="without a password"):
        Tls(TlsFiles(certificate=PAIR, key=locked))
