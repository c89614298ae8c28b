"""The seccomp filters of the sandbox: lists of allowed calls, and what their arguments may be."""

from collections.abc import Mapping, Sequence

from jikko.locks.bpf import ALLOW, Body, answer, assemble, error, only, without
from jikko.sandbox import syscalls

F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
FIONBIO, FIONCLEX, FIOCLEX = 0x5421, 0x5450, 0x5451
PROT_EXEC = 4
MAP_SHARED = 1


def child_filter(machine: str | None = None) -> bytes:
    """The filter that a child runs user code under: the boundary of the sandbox."""
    return _filter(
        machine,
        allowed=syscalls.CHILD_ALLOWED,
        refused=syscalls.CHILD_REFUSED,
        by_argument={
            **_nothing_executable(),
            # Nor is any shared, which no limit of data counts: the memory that a program may have would grow by the
            # size of the libraries that it unmaps.
            "mmap": [*without(2, PROT_EXEC), *without(3, MAP_SHARED), answer(ALLOW)],
            "fcntl": [*only(1, (F_GETFD, F_GETFL)), answer(ALLOW)],
        },
    )


def server_filter(machine: str | None = None) -> bytes:
    """The filter of the fork server. Children put theirs on top of it."""
    return _filter(
        machine,
        allowed=syscalls.SERVER_ALLOWED,
        refused=syscalls.SERVER_REFUSED,
        by_argument={
            **_nothing_executable(),
            "fcntl": [*only(1, (F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC)), answer(ALLOW)],
            "ioctl": [*only(1, (FIONBIO, FIONCLEX, FIOCLEX)), answer(ALLOW)],
        },
    )


def _filter(
    machine: str | None, *, allowed: Sequence[str], refused: Mapping[str, int], by_argument: Mapping[str, Body]
) -> bytes:
    answers = [*((name, ALLOW) for name in allowed), *((name, error(code)) for name, code in refused.items())]
    return assemble({name: [answer(value)] for name, value in answers} | dict(by_argument), machine=machine)


def _nothing_executable() -> dict[str, Body]:
    """No memory that can be executed is mapped."""
    return {name: [*without(2, PROT_EXEC), answer(ALLOW)] for name in ("mmap", "mprotect")}
