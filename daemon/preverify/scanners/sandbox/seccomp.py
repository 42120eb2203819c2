"""What a scanner may not ask of the kernel: what namespaces do not keep apart, and what would only serve to get out.

Sockets between virtual machines (AF_VSOCK), keyrings and others are not part of any namespace: a process without
network could still talk to the host of this machine by them.
"""

import errno
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in `struct seccomp_data`, little endian
_AF_UNIX = 1
_NEW_SPACES = 0x7E020000  # CLONE_NEW*
_X32 = 0x40000000
_EVERYWHERE = (425, 428, 429, 430, 431, 432, 433, 442)  # io_uring_setup; open_tree to fspick; mount_setattr
_CLONE3 = 435


@dataclass(frozen=True, slots=True, kw_only=True)
class _Machine:
    """Numbers of one architecture.

    Attributes:
        audit: How the kernel names it.
        socket: And `clone`: looked at by their first argument.
        refused: ptrace, keyctl, add_key, request_key, bpf, perf_event_open, userfaultfd, mount, umount2, pivot_root,
            chroot, unshare, setns, process_vm_readv, process_vm_writev, in this order.
    """

    audit: int
    socket: int
    clone: int
    refused: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        socket=41,
        clone=56,
        refused=(101, 250, 248, 249, 321, 298, 323, 165, 166, 155, 161, 272, 308, 310, 311),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        socket=198,
        clone=220,
        refused=(117, 219, 217, 218, 280, 241, 282, 40, 39, 41, 51, 97, 268, 270, 271),
    ),
}


def program(machine: str) -> bytes:
    """Return the filter for a machine, as `platform.machine` names it; empty where it is not known.

    Spec:
        Linux, Documentation/userspace-api/seccomp_filter.rst; instructions as in linux/filter.h.
    """
    known = _MACHINES.get(machine)
    if known is None:
        return b""
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, known.audit, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        *_answered(_AT_LEAST, _X32, errno.EPERM),
        *(step for number in (*known.refused, *_EVERYWHERE) for step in _answered(_EQUAL, number, errno.EPERM)),
        # Its flags lie in memory that can change after the look; libraries fall back to the older call.
        *_answered(_EQUAL, _CLONE3, errno.ENOSYS),
        *_looked_at(known.socket, _step(_EQUAL, _AF_UNIX, yes=1), errno.EAFNOSUPPORT),
        *_looked_at(known.clone, _step(_ANY_BIT, _NEW_SPACES, no=1), errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(steps)


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _answered(comparison: int, value: int, error: int) -> Iterable[bytes]:
    return _step(comparison, value, no=1), _step(_RETURN, _ERRNO | error)


def _looked_at(number: int, wanted: bytes, error: int) -> Iterable[bytes]:
    """Judge one call by its first argument: `wanted` leads to the refusal or over it."""
    refusal = _step(_RETURN, _ERRNO | error)
    return _step(_EQUAL, number, no=4), _step(_LOAD, _FIRST_ARGUMENT), wanted, refusal, _step(_RETURN, _ALLOW)
