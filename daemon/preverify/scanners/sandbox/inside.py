"""The last steps before a scanner: run as a program of its own, it shuts itself in and becomes the scanner.

Started by `sandbox` with the standard library alone and no site packages. It opens namespaces of user, network, mounts,
processes, IPC and host name; builds a root that holds the system's programs and the image to read, all read-only, and
one scratch directory of bounded size; copies the scanner into it, hashing what it copies; gives up every privilege; and
executes that copy. Whatever fails on the way is written to the report pipe, and nothing is executed.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import platform
import resource
import signal
import stat
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

SCANNER, IMAGE, SCRATCH = "/scanner/run", "/image", "/tmp"  # noqa: S108 - inside of a root of our own
NOBODY = 65534

_NEW_SPACES = 0x10000000 | 0x40000000 | 0x00020000 | 0x20000000 | 0x08000000 | 0x04000000  # user net mount pid ipc uts
_NEW_PIDS = 0x20000000
_NOT_ALLOWED = "new namespaces of user, network, mounts and processes are not allowed here"
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 1, 22, 38, 2
_READ_ONLY, _NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_DETACH = 2
_SYSTEM = ("usr", "bin", "lib", "lib32", "lib64")
_DEVICES = ("null", "zero", "urandom")
_CHUNK = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """A step did not succeed; `kind` says to the other side which family of failure it is."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def main(order: Mapping[str, Any]) -> int:
    """Carry out an order of `sandbox`; return the exit status of the scanner, 128 and its number for a signal."""
    report = int(order["report"])
    os.set_inheritable(report, False)  # noqa: FBT003 - it takes no keyword
    try:
        _open_spaces(int(order["parent"]))
        child = os.fork()
        if child == 0:
            _become(order)
    except (Refused, OSError) as error:
        _tell(report, error)
        return 1
    os.close(report)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _become(order: Mapping[str, Any]) -> NoReturn:
    """Be the first process of the new spaces: everything in them ends with it."""
    report = int(order["report"])
    try:
        _die_with_parent()
        root = Path(order["root"])
        _build(root, order)
        _enter(root)
        _limit(order["limits"])
        _give_up(bytes.fromhex(order["filter"]))
        os.chdir(SCRATCH)
        try:
            os.execve(SCANNER, [SCANNER, *order["arguments"]], order["environment"])  # noqa: S606 - no shell is wanted
        except OSError as error:
            raise Refused("scanner", f"{order['scanner']} cannot be executed: {error.strerror}") from error
    except (Refused, OSError) as error:
        _tell(report, error)
    os._exit(1)


def _tell(report: int, error: Refused | OSError) -> None:
    kind = error.kind if isinstance(error, Refused) else "sandbox"
    detail = error.detail if isinstance(error, Refused) else str(error)
    os.write(report, json.dumps([kind, detail[:400]]).encode())


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise Refused("sandbox", f"{what}: {os.strerror(ctypes.get_errno())}")


def _open_spaces(parent: int) -> None:
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _open_as_root()
    else:
        _checked(_libc.unshare(_NEW_SPACES), _NOT_ALLOWED)
        _write("self", setgroups="deny", uid_map=f"{NOBODY} {user} 1", gid_map=f"{NOBODY} {group} 1")
    with contextlib.suppress(OSError):  # a further fence: nothing rests on it, and some machines keep it read-only
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    # Not before: taking the capabilities of the new space clears it. Who became an orphan meanwhile ends here.
    _die_with_parent()
    if os.getppid() != parent:
        raise Refused("sandbox", "the process that wanted the scan is gone")


def _open_as_root() -> None:
    """Have a user besides root in the new space, to become before the scanner starts: root has no limit of processes.

    Only a process that is still outside may give it one.
    """
    me, (waiting, opened) = os.getpid(), os.pipe()
    outside = os.fork()
    if outside == 0:
        os.close(opened)
        failed = not os.read(waiting, 1)
        if not failed:
            with contextlib.suppress(OSError):
                _write(str(me), uid_map=f"0 0 1\n{NOBODY} {NOBODY} 1", gid_map=f"0 0 1\n{NOBODY} {NOBODY} 1")
                os._exit(0)
        os._exit(1)
    _checked(_libc.unshare(_NEW_SPACES & ~_NEW_PIDS), _NOT_ALLOWED)
    os.write(opened, b"x")
    os.close(opened)
    os.close(waiting)
    if os.waitpid(outside, 0)[1] != 0:
        raise Refused("sandbox", f"root may not map the user {NOBODY} into a new namespace here")
    _checked(_libc.unshare(_NEW_PIDS), _NOT_ALLOWED)


def _write(process: str, **texts: str) -> None:
    for name, text in texts.items():
        Path(f"/proc/{process}/{name}").write_text(text, encoding="ascii")


def _die_with_parent() -> None:
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")


def _build(root: Path, order: Mapping[str, Any]) -> None:
    """Make the root that the scanner will see."""
    _mount(None, Path("/"), flags=_REC | _PRIVATE)
    size = int(order["maxScanner"]) + (1 << 20)
    _mount("tmpfs", root, kind="tmpfs", flags=_NOSUID | _NODEV, data=f"size={size},mode=0755")
    for name in _SYSTEM:
        source = Path("/") / name
        if source.is_symlink():
            (root / name).symlink_to(source.readlink())
        elif source.is_dir():
            _bind(source, root / name, _READ_ONLY | _NOSUID | _NODEV)
    (root / "dev").mkdir()
    for name in _DEVICES:
        (root / "dev" / name).touch()
        _mount(f"/dev/{name}", root / "dev" / name, flags=_BIND)
    _bind(Path(order["layout"]), root / IMAGE[1:], _READ_ONLY | _NOSUID | _NODEV | _NOEXEC)
    _copy(Path(order["scanner"]), root / SCANNER[1:], order["sha256"], int(order["maxScanner"]))
    scratch = root / SCRATCH[1:]
    scratch.mkdir()
    # Executable, since a scanner is free to unpack what it needs; without set-uid bits and devices.
    _mount(
        "tmpfs",
        scratch,
        kind="tmpfs",
        flags=_NOSUID | _NODEV,
        data=f"size={int(order['scratch'])},mode=0700,uid={NOBODY},gid={NOBODY}",
    )
    _attributes(root, _READ_ONLY, 0)


def _bind(source: Path, target: Path, attributes: int) -> None:
    target.mkdir()
    _mount(str(source), target, flags=_BIND | _REC)
    _attributes(target, attributes, _AT_RECURSIVE)


def _mount(source: str | None, target: Path, *, kind: str | None = None, flags: int, data: str = "") -> None:
    arguments = (_bytes(source), _bytes(str(target)), _bytes(kind), ctypes.c_ulong(flags), _bytes(data))
    _checked(_libc.mount(*arguments), f"mounting {target}")


def _attributes(target: Path, attributes: int, flags: int) -> None:
    """Set mount attributes, on everything below as well: a remount would leave what is mounted below writable."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    number = ctypes.c_long(_MOUNT_SETATTR)
    result = _libc.syscall(number, -1, _bytes(str(target)), flags, ctypes.byref(wanted), ctypes.sizeof(wanted))
    _checked(result, f"making {target} read-only")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _copy(source: Path, target: Path, sha256: str, limit: int) -> None:
    """Copy the scanner and hash what is copied: what runs is what was hashed, whatever becomes of the file."""
    target.parent.mkdir()
    seen, size = hashlib.sha256(), 0
    try:
        opened = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as reader, target.open("xb") as writer:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                raise Refused("scanner", f"{source} is not a regular file")
            while chunk := reader.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise Refused("scanner", f"{source} has more than {limit} bytes")
                seen.update(chunk)
                writer.write(chunk)
    except OSError as error:
        raise Refused("scanner", f"{source} cannot be read: {error.strerror}") from error
    if seen.hexdigest() != sha256:
        raise Refused("mismatch", f"{source} has the sha256 {seen.hexdigest()}, expected {sha256}; it was not run")
    target.chmod(0o555)


def _enter(root: Path) -> None:
    """Leave the old root for good."""
    number = _PIVOT_ROOT.get(platform.machine())
    if number is None:
        raise Refused("sandbox", f"machines of type {platform.machine()} are not known, only {sorted(_PIVOT_ROOT)}")
    os.chdir(root)
    _checked(_libc.syscall(ctypes.c_long(number), b".", b"."), "changing the root")
    _checked(_libc.umount2(b".", _DETACH), "leaving the old root")
    os.chdir("/")


def _limit(limits: Mapping[str, int]) -> None:
    os.umask(0o077)
    for name, most in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (value, value))


def _give_up(steps: bytes) -> None:
    """Give up every privilege, for this process and for what it executes, and most of what leads to one."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _die_with_parent()  # changing the user clears it
    for each in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(each, signal.SIG_DFL)
    held = ctypes.create_string_buffer(steps, len(steps))
    program = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(held))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0), "the filter of system calls")


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
