"""The real cosign, versions 2 and 3, by key and without a log."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

VSA = "https://slsa.dev/verification_summary/v1"
_EMPTY_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}


@dataclass(frozen=True)
class Said:
    """What cosign said: whether it verified, and of what (digest of the payloads that it printed)."""

    verified: bool
    of: str = ""
    error: str = ""

    @property
    def substance(self) -> tuple[bool, str]:
        """Leave out the wording of errors."""
        return self.verified, self.of


class Cosign:
    """Both versions with a home of their own."""

    def __init__(self, tool: Callable[[str], Path], home: Path) -> None:
        self.tool = tool
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.root = home / "trusted_root.json"
        self.root.write_text(json.dumps(_EMPTY_ROOT))

    def verify(self, version: int, reference: str, key: Path, *, bundles: bool = False, detached: str = "") -> Said:
        """Run `cosign verify`."""
        return self._run(version, "verify", reference, key, [], bundles=bundles, detached=detached)

    def attestation(
        self,
        version: int,
        reference: str,
        key: Path,
        kind: str = VSA,
        *,
        bundles: bool = False,
        detached: str = "",
        rego: Path | None = None,
    ) -> Said:
        """Run `cosign verify-attestation`."""
        more = ["--type", kind] + (["--policy", str(rego)] if rego else [])
        return self._run(version, "verify-attestation", reference, key, more, bundles=bundles, detached=detached)

    def run(
        self, version: int, *arguments: str, detached: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run any command."""
        environment = {
            **os.environ,
            **(environment or {}),
            "HOME": str(self.home),
            "COSIGN_PASSWORD": "throwaway",
            "TUF_ROOT": str(self.home / "tuf"),
        }
        if detached:
            environment["COSIGN_REPOSITORY"] = detached
        command = [str(self.tool(f"cosign{version}")), *arguments]
        return subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)

    def _run(
        self, version: int, verb: str, reference: str, key: Path, more: list[str], *, bundles: bool, detached: str
    ) -> Said:
        arguments = [verb, "--allow-http-registry", "--key", str(key), "--insecure-ignore-tlog", *more]
        if version == 3 or bundles:
            arguments += ["--trusted-root", str(self.root)]
        if version == 2 and bundles:
            arguments.append("--new-bundle-format")
        done = self.run(version, *arguments, reference, detached=detached)
        if done.returncode == 0:
            return Said(verified=True, of=_substance(done.stdout))
        return Said(verified=False, error=done.stderr.decode(errors="replace")[-600:])


def _substance(printed: bytes) -> str:
    """Return the digest of all payloads that were printed, in whatever order the registry listed them."""
    payloads: list[str] = []
    for line in printed.splitlines():
        document = json.loads(line) if line.strip() else []
        payloads += [json.dumps(d, sort_keys=True) for d in (document if isinstance(document, list) else [document])]
    return hashlib.sha256("\n".join(sorted(payloads)).encode()).hexdigest()
