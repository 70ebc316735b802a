"""Certificates made on the spot with openssl: a CA, and what it signs."""

import subprocess
from pathlib import Path


class Authority:
    """A certificate authority in a folder of its own.

    Attributes:
        ca: Its certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.ca = folder / "ca.crt"
        self._key = folder / "ca.key"
        subject = ["-subj", f"/CN={folder.name}", "-days", "2"]
        out = ["-keyout", str(self._key), "-out", str(self.ca)]
        _openssl("req", "-x509", *_NEW_KEY, *subject, *out)

    def sign(self, name: str, *, host: str = "IP:127.0.0.1", days: int = 2) -> tuple[Path, Path]:
        """Return certificate and key; negative ``days``: expired so long ago."""
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        _openssl(
            "req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request)
        )
        signing = ["-CA", str(self.ca), "-CAkey", str(self._key), "-CAcreateserial"]
        out = ["-days", str(days), "-extfile", str(extensions), "-out", str(certificate)]
        _openssl("x509", "-req", "-in", str(request), *signing, *out)
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
