"""Makes a self-signed certificate for one test; only the clients of this test trust it."""
# SPDX-License-Identifier: BSD-2-Clause
import ssl
import subprocess
from pathlib import Path

from . import settings


class Certificate:
    """Holds the certificate's files for the server, and a TLS context for the client that accepts this certificate
    only."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        command = [settings.program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes"]
        command += ["-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=localhost"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-out", str(self.certificate), "-keyout", str(self.key)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))
