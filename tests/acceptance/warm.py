"""Process that has imported all of Jikko, and forks into commands: this takes a sixth of the half second of CPU in
which Python starts and imports the command.

It is started as a script with a folder and two file descriptors: of a named pipe, which ends it once nobody has it open
for writing, and of a Unix datagram socket. Each byte there requests a command, with five descriptors: a JSON file
(``arguments``, ``environment``, ``folder``), standard input, output and error, and a pipe that receives a line with the
process id and, at the command's end, a line with its exit code. The folder, which has both, is removed at the end.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress


def leave(codes: list[int]) -> None:
    """End the process with its exit code after everything Python does at exit except its teardown, which would write
    to, and so copy, every page shared by the fork.

    Args:
        codes: Exit code; empty if the command ended otherwise, and Python continues.
    """
    with suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for code in codes:
            os._exit(code)


def load() -> None:
    """Import everything of Jikko that commands may need."""
    import jikko

    for module in pkgutil.walk_packages(jikko.__path__, "jikko."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # At its end, a command need not traverse objects it never touched.
    gc.collect()
    gc.freeze()


def next_command(users: int, number: int) -> list[int]:
    """Return the descriptors of a command, in the process that becomes it; empty if no more can come."""
    requests = socket.socket(fileno=number)
    ends, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    # The wakeup descriptor is written only if there is a handler.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([ends.fileno(), users, number], [], [])
        if ends.fileno() in readable:
            ends.recv(4096)
            tell_of_ended(told)
            continue
        if number not in readable:
            return []
        _, descriptors, _, _ = socket.recv_fds(requests, 1, 5)
        if (process_id := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(users)
            for each in (ends, wakes, requests):
                each.close()
            for pipe in told.values():
                os.close(pipe)
            return descriptors
        *others, told[process_id] = descriptors
        for descriptor in others:
            os.close(descriptor)
        tell(told[process_id], process_id)


def tell_of_ended(told: dict[int, int]) -> None:
    """Report the exit codes of ended commands.

    Args:
        told: Pipes by process id; those of ended processes are closed and removed.
    """
    while told:
        process_id, status = os.waitpid(-1, os.WNOHANG)
        if not process_id:
            break
        tell(told[process_id], os.waitstatus_to_exitcode(status))
        os.close(told.pop(process_id))


def tell(pipe: int, number: int) -> None:
    """Write a line to a reader that may be gone."""
    with suppress(BrokenPipeError):
        os.write(pipe, b"%d\n" % number)


def become(descriptors: list[int]) -> None:
    """Become the command."""
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
    # This script's folder must not be importable.
    del sys.path[0]
    ended: list[int] = []
    # The first registered function is called last.
    atexit.register(leave, ended)
    load()
    folder, *numbers = sys.argv[1:]
    if command := next_command(*map(int, numbers)):
        try:
            become(command)
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                ended.append(end.code or 0)
            raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
