"""Certificates of one cluster, by ``openssl``: an authority, and whoever it vouches for."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a folder; what it signs stands beside it as NAME.crt and NAME.key."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new one."""
        folder.mkdir()
        _openssl(folder, "req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=cluster-ca")
        _openssl(folder, "genrsa", "-out", "service-account.key", "2048")
        return cls(folder)

    def of(self, name: str, *, user: str = "", group: str = "", addresses: tuple[str, ...] = ()) -> tuple[Path, Path]:
        """Certificate and key of a user in a group, or of a server at these addresses."""
        subject = f"/O={group}/CN={user or name}" if group else f"/CN={user or name}"
        names = ",".join(f"IP:{each}" if each[0].isdigit() else f"DNS:{each}" for each in (*addresses, name))
        _openssl(self.folder, "req", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n", encoding="ascii")
        _openssl(
            self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "7", "-extfile", f"{name}.ext",
        )  # fmt: skip
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def kubeconfig(self, name: str, server: str, *, user: str = "", group: str = "") -> Path:
        """A kubeconfig for this user."""
        certificate, key = self.of(name, user=user, group=group)
        return self._kubeconfig(name, server, f"client-certificate: {certificate}, client-key: {key}")

    def kubeconfig_of_token(self, name: str, server: str, token: str) -> Path:
        """A kubeconfig for whom this token is of."""
        return self._kubeconfig(name, server, f"token: {token}")

    def _kubeconfig(self, name: str, server: str, user: str) -> Path:
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(_KUBECONFIG.format(ca=self.folder / "ca.crt", server=server, user=user), encoding="ascii")
        return path


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: cluster
clusters: [{{name: cluster, cluster: {{certificate-authority: {ca}, server: "{server}"}}}}]
users: [{{name: user, user: {{{user}}}}}]
contexts: [{{name: cluster, context: {{cluster: cluster, user: user}}}}]
"""


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)
