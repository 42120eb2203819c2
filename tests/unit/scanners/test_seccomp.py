"""The filter of system calls, run step by step here: one of the two machines that it is for is not this one."""

import errno
import struct

import pytest

from preverify.scanners.sandbox import seccomp

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
X86, ARM = ("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)


def answer(program: bytes, audit: int, number: int, first: int = 0) -> int:
    """Return what the kernel would make of a call. Reads as a classic BPF machine does."""
    seen = struct.pack("<IIQQ", number, audit, 0, first)
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", seen, value)
            case 0x06:
                return value
            case 0x15:
                at += yes if held == value else no
            case 0x35:
                at += yes if held >= value else no
            case 0x45:
                at += yes if held & value else no
            case _:
                pytest.fail(f"step {code:#x}")


def refused(error: int) -> int:
    return 0x00050000 | error


@pytest.mark.parametrize(
    ("machine", "socket", "clone", "calls"),
    [
        # read, write, openat, execve, mmap, exit_group; ptrace, keyctl, mount, pivot_root, unshare, setns, bpf
        (X86, 41, 56, ((0, 1, 257, 59, 9, 231), (101, 250, 165, 155, 272, 308, 321))),
        (ARM, 198, 220, ((63, 64, 56, 221, 222, 94), (117, 219, 40, 41, 97, 268, 280))),
    ],
)
def test_calls_are_judged(
    machine: tuple[str, int], socket: int, clone: int, calls: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    name, audit = machine
    program = seccomp.program(name)
    usual, dangerous = calls
    assert {answer(program, audit, number) for number in usual} == {ALLOWED}
    assert {answer(program, audit, number) for number in (*dangerous, 425, 428, 442)} == {refused(errno.EPERM)}
    assert answer(program, audit, 435) == refused(errno.ENOSYS)
    assert answer(program, audit, socket, 1) == ALLOWED
    families = {answer(program, audit, socket, family) for family in range(64) if family != 1}
    assert families == {refused(errno.EAFNOSUPPORT)}
    assert answer(program, audit, clone, 17) == ALLOWED  # fork
    assert answer(program, audit, clone, 0x3D0F00) == ALLOWED  # a thread
    for space in (0x20000, *(1 << bit for bit in range(25, 31))):
        assert answer(program, audit, clone, space | 17) == refused(errno.EPERM)


def test_calls_of_another_kind_of_program_are_not_looked_at_by_the_wrong_numbers() -> None:
    """On one machine run programs of several kinds, and the same number means another call in each."""
    program = seccomp.program("x86_64")
    assert answer(program, 0x40000003, 41, 1) == KILLED  # 32 bits
    assert answer(program, X86[1], 0x40000000 | 41, 1) == refused(errno.EPERM)  # x32


def test_an_unknown_machine_has_no_filter() -> None:
    """The kernel refuses an empty one, and with it the scan."""
    assert seccomp.program("riscv64") == b""
