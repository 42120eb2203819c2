"""A PKCS#11 token in software (SoftHSM), for tests that sign with a key that cannot be read."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")
PIN = "1234-of-the-tests"
LABEL = "preverify tests"


@dataclass(frozen=True)
class Token:
    """A token with keys in it. Its configuration is found by the environment variable alone."""

    module: Path
    directory: Path
    tool: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.directory / "softhsm2.conf")}

    @property
    def pin_file(self) -> Path:
        return self.directory / "pin"

    def uri(self, number: int) -> str:
        return f"hsm:{number}?label={LABEL.replace(' ', '+')}"

    def key(self, number: int, curve: ec.EllipticCurve | None = None) -> Path:
        """Put a new key into the token; return the file with its public half."""
        secret = ec.generate_private_key(curve or ec.SECP256R1())
        file = self.directory / f"import-{number}.pem"
        pem = serialization.Encoding.PEM
        file.write_bytes(secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        identity = ("--id", f"{number:02x}", "--label", f"key-{number}")
        self.run("--import", str(file), "--token", LABEL, "--pin", PIN, *identity)
        file.unlink()
        public = self.directory / f"key-{number}.pub"
        public.write_bytes(secret.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
        return public

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.tool), *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def new_token(tool: Callable[[str], Path], directory: Path) -> Token:
    """Make a token, or skip where there is no SoftHSM."""
    program = tool("softhsm2-util")
    found = [path for pattern in MODULES for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    if not found:
        pytest.skip("softhsm2-util is there, but no libsofthsm2.so")
    token = Token(found[0], directory, program)
    (directory / "tokens").mkdir(parents=True)
    (directory / "softhsm2.conf").write_text(
        f"directories.tokendir = {directory / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    token.pin_file.write_text(PIN + "\n")
    token.run("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "so-pin-of-the-tests")
    return token
