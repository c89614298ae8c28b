"""A process that has imported all of Jikko, and forks into commands: that takes a sixth of the half second of a
processor in which a Python starts and imports the command.

It is started as a script, with the numbers of two Unix sockets: a stream, with which it ends, and one of datagrams, to
which others may write (``warm_program.py``). Each byte there asks for a command, with five descriptors: a file with
JSON (``arguments``, ``environment``, ``folder``), standard input, output and error, and a pipe that gets a line with
the process id and, once the command has ended, a line with its exit code.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
from contextlib import suppress


def leave(codes: list[int]) -> None:
    """End the process with its exit code, behind all that Python does at its end but to take itself down: for that it
    writes to all the memory that a fork shares, and each page of it would be copied.

    Args:
        codes: The exit code; empty where the command was ended otherwise, and Python is to go on.
    """
    with suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for code in codes:
            os._exit(code)


def load() -> None:
    """Import all that a command may need of Jikko."""
    import jikko

    for module in pkgutil.walk_packages(jikko.__path__, "jikko."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # A command that ends need not look through what it never touched.
    gc.collect()
    gc.freeze()


def next_command(*numbers: int) -> list[int]:
    """The descriptors of a command, in the process that is to become it; none when no more can come."""
    sockets = [socket.socket(fileno=number) for number in numbers]
    ends, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    # Only with a handler is it written to.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([ends, *sockets], [], [])
        if ends in readable:
            ends.recv(4096)
            tell_of_ended(told)
            continue
        asked, descriptors, _, _ = socket.recv_fds(readable[0], 1, 5)
        if not asked:
            return []
        if (process_id := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (ends, wakes, *sockets):
                each.close()
            for pipe in told.values():
                os.close(pipe)
            return descriptors
        *others, told[process_id] = descriptors
        for descriptor in others:
            os.close(descriptor)
        tell(told[process_id], process_id)


def tell_of_ended(told: dict[int, int]) -> None:
    """Tell the exit codes of commands that have ended.

    Args:
        told: Pipes by process ids; those of what has ended are closed and taken out.
    """
    while told:
        process_id, status = os.waitpid(-1, os.WNOHANG)
        if not process_id:
            break
        tell(told[process_id], os.waitstatus_to_exitcode(status))
        os.close(told.pop(process_id))


def tell(pipe: int, number: int) -> None:
    """Write a line, to who may be gone."""
    with suppress(BrokenPipeError):
        os.write(pipe, b"%d\n" % number)


def become(descriptors: list[int]) -> None:
    """Be the command."""
    asked, *standard, told = descriptors
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    os.lseek(asked, 0, os.SEEK_SET)
    with open(asked, "rb") as file:
        request = json.load(file)
    for descriptor in (*standard, told):
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]

    from jikko.cli.main import main

    main()


if __name__ == "__main__":
    # The folder of this script is no place to import from.
    del sys.path[0]
    ended: list[int] = []
    # The first to be registered is the last that is called.
    atexit.register(leave, ended)
    load()
    if command := next_command(*map(int, sys.argv[1:])):
        try:
            become(command)
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                ended.append(end.code or 0)
            raise
