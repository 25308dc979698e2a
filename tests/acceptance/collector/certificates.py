"""Certificates for a test: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Signed(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: str
    key: str


class Authority:
    """An authority that signs certificates for 127.0.0.1, good for two days.

    Raises:
        FileNotFoundError: There is no ``openssl`` command.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = Signed(str(folder / "ca.pem"), str(folder / "ca.key"))
        _openssl("req", "-x509", "-days", "2", "-subj", "/CN=authority", *_new_key(self._own.key), "-out", self.file)

    @property
    def file(self) -> str:
        """Who believes this file believes the authority."""
        return self._own.certificate

    def sign(self, name: str) -> Signed:
        """Make a key, and sign a certificate for it."""
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        signed = Signed(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))
        extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        _openssl("req", "-new", "-subj", f"/CN={name}", *_new_key(signed.key), "-out", str(request))
        by = ["-CA", self._own.certificate, "-CAkey", self._own.key, "-CAcreateserial", "-extfile", str(extensions)]
        _openssl("x509", "-req", "-days", "2", "-in", str(request), *by, "-out", signed.certificate)
        return signed


def _new_key(file: str) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
