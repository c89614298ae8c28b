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
    # Watchers end by themselves, and nobody waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sockets = [socket.socket(fileno=number) for number in numbers]
    while True:
        readable, _, _ = select.select(sockets, [], [])
        asked, descriptors, _, _ = socket.recv_fds(readable[0], 1, 5)
        if not asked:
            return []
        if os.fork() == 0:
            for each in sockets:
                each.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (process_id := os.fork()) == 0:
                return descriptors
            watch(process_id, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def watch(process_id: int, descriptors: list[int]) -> None:
    """Tell the process id and the exit code of a command."""
    *others, told = descriptors
    for descriptor in others:
        os.close(descriptor)
    os.write(told, b"%d\n" % process_id)
    code = os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
    os.write(told, b"%d\n" % code)
    os._exit(0)


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
