"""Child process: reads one job, runs it, writes one reply, and exits. It is locked before it reads."""

import errno
import json
import marshal
import os
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final, NoReturn

import jinja2
import jinja2.constants
import jinja2.debug
import jinja2.ext
import jinja2.meta
import jinja2.nativetypes
import jinja2.sandbox

from jikko.locks.numbers import numbers
from jikko.sandbox import lock
from jikko.sandbox.languages import python
from jikko.sandbox.languages.failure import CODE_ERROR, LIMIT_ERROR, ProgramFailed, describe
from jikko.sandbox.languages.javascript import Engine
from jikko.sandbox.wire import HEAD, MAX_BLOCK, pack

CONNECTION: Final = 3
"""File descriptor of the connection to the server. 0 to 2 are ``/dev/null``, and there are no others."""

_CHUNK_BYTES: Final = 1 << 20

# Saved: a program that replaces them must not spoil its own result.
_read, _write, _exit, _loads, _dumps = os.read, os.write, os._exit, json.loads, json.dumps


def _null(name: str) -> None:
    """Read a constant that JSON does not have."""


class JobRunner:
    """Runs the job of a child. Made once per fork server; each child has its own copy."""

    def __init__(self, *, memory_bytes: int, output_bytes: int, stack_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._output_bytes = output_bytes
        self.has_begun = False
        """Whether a program has begun, and may have had effects."""
        self._renderer = Renderer()
        self._engine = Engine(memory_bytes=memory_bytes, stack_bytes=stack_bytes)
        python.prepare()
        # Prepared, since there may be no memory when it is needed.
        self._out_of_memory = self._failure(f"The run broke the memory limit of {memory_bytes >> 20} MiB", LIMIT_ERROR)

    def warm_up(self, kind: str) -> None:
        """Touch the memory that a run of this kind will need, before a job arrives."""
        match kind:
            case "python3":
                python.warm_up()
            case "javascript":
                self._engine.warm_up()
            case "template":
                self._renderer.warm_up()

    def serve(self) -> NoReturn:
        text_length, block_length = HEAD.unpack(_receive(HEAD.size))
        try:
            # As in Dify, NaN and infinities arrive as null.
            job = _loads(_receive(text_length), parse_constant=_null)
            block = _receive(block_length)
            self.has_begun = True
            reply = self._reply(job, block)
        except MemoryError:
            reply = self._out_of_memory
        _send(reply)
        _exit(0)

    def _reply(self, job: dict[str, Any], block: bytes) -> bytes:
        compiled = b""
        try:
            match job["kind"]:
                case "python3":
                    text = python.run(job["code"], job["arguments"], job.get("files", ()))
                case "javascript":
                    text = self._engine.run(job["code"], job["arguments"])
                case "template":
                    text, compiled = self._renderer.render(job["code"], job["arguments"], block)
                case "probe":
                    text = _dumps([list(attempt) for attempt in attempts()])
                case _:
                    lock.raw_system_call(_X32_GETPID)  # does not return: the filter kills the process
                    text = "null"
        except ProgramFailed as failure:
            return self._failure(str(failure), failure.kind)
        # Lone surrogates cannot be encoded, or stored anywhere.
        encoded = text.encode("utf-8", "replace")
        if len(encoded) > self._output_bytes:
            limit = f"{self._output_bytes:,} bytes"
            return self._failure(f"The result of {len(encoded):,} bytes broke the output limit of {limit}", LIMIT_ERROR)
        return pack(b'{"ok":' + encoded + b"}", compiled)

    @staticmethod
    def _failure(message: str, kind: str = CODE_ERROR) -> bytes:
        return pack(_dumps({"error": message, "kind": kind}).encode())


def _receive(size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = _read(CONNECTION, min(size, _CHUNK_BYTES))
        if not part:
            # The server no longer needs this child.
            _exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[_write(CONNECTION, rest) :]


_AF_INET, _SOCK_STREAM = 2, 1
_SIGCHLD = 17
_MAP_PRIVATE_ANONYMOUS = 0x22
_MAP_SHARED_ANONYMOUS = 0x21
_READ_WRITE, _READ_EXECUTE = 3, 5
_HERE = -100
_X32_GETPID = 0x40000000 | 39

_ATTEMPTS: Final[tuple[tuple[str, str, tuple[int | bytes, ...], int], ...]] = (
    ("no sockets", "socket", (_AF_INET, _SOCK_STREAM, 0), errno.EPERM),
    ("no files", "openat", (_HERE, b"/etc/passwd", 0, 0), errno.ENOENT),
    ("no forks", "clone", (_SIGCHLD, 0, 0, 0, 0), errno.EPERM),
    ("no other programs", "execve", (b"/bin/true", 0, 0), errno.ENOENT),
    ("no executable memory", "mmap", (0, 4096, _READ_EXECUTE, _MAP_PRIVATE_ANONYMOUS, -1, 0), errno.EPERM),
    ("no shared memory", "mmap", (0, 4096, _READ_WRITE, _MAP_SHARED_ANONYMOUS, -1, 0), errno.EPERM),
    ("no tracing", "ptrace", (16, 0, 0, 0), errno.EPERM),
    ("no change of its filter", "seccomp", (1, 0, 0), errno.EPERM),
    ("no change of its limits", "prlimit64", (0, 7, 0, 0), errno.EPERM),
    ("no other namespaces", "unshare", (0x10000000,), errno.EPERM),
    ("no io_uring", "io_uring_setup", (1, 0), errno.EPERM),
)


def attempts() -> Iterator[tuple[str, bool, str, dict[str, str]]]:
    """Attempt forbidden operations: yield name, whether it was refused, and what happened (code, parameters)."""
    for title, name, arguments, expected in _ATTEMPTS:
        yield title, *_outcome(name, arguments, expected)
    yield "no signals to the fork server", *_outcome("kill", (os.getppid(), 0), errno.EPERM)
    open_files = [number for number in range(64) if _is_open(number)]
    yield "no inherited files", open_files == [0, 1, 2, 3], "sandbox.open_files", {"files": str(open_files)}
    yield "no superuser", os.geteuid() != 0, "sandbox.verbatim", {"text": f"uid {os.geteuid()}"}


def _outcome(name: str, arguments: tuple[int | bytes, ...], expected: int) -> tuple[bool, str, dict[str, str]]:
    if name not in numbers():
        return True, "sandbox.no_call", {}
    try:
        lock.system_call(name, *arguments)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return error.errno == expected, "sandbox.verbatim", {"text": name}
    return False, "sandbox.allowed", {}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


FILENAME: Final = "<template>"

_WARM_UP: Final = (
    "{% set ns = namespace(t=0) %}{% for x in items %}{% set ns.t = ns.t + x.n %}- {{ loop.index }}. "
    "{{ x.name|upper }} {{ '%.2f'|format(x.n) }}{% endfor %}{{ d|tojson }}{% for k, v in d.items() %}{{ k }}={{ v }}"
    "{% endfor %}{{ s.split(',')[0].strip() }}{% if a %}{% else %}{% endif %}{% macro m(a, b=2) %}{{ a }}{% endmacro %}"
    "{{ m(1) }}{{ zz|default('x')|join(',') }}"
)


class Renderer:
    """Compiles and renders templates. One per fork server; each child uses its own copy."""

    def __init__(self) -> None:
        # Not the immutable kind: `{% set _ = list.append(x) %}` is a common idiom, and jinja2.Template allows it.
        # Jinja2's sandbox is not the protection; it keeps a template from reaching into its own process.
        self._environment = jinja2.sandbox.SandboxedEnvironment(cache_size=0)
        # Jinja2's sandbox caps it at 100,000; time and memory limits suffice here.
        self._environment.globals["range"] = range
        self._warm_up_block = b""
        for _ in range(3):
            _, self._warm_up_block = self.render(_WARM_UP, self._warm_up_variables(), b"")
            self.warm_up()

    def render(self, source: str, variables: dict[str, Any], block: bytes) -> tuple[str, bytes]:
        """Render a template. Raises ``ProgramFailed``: an invalid template, or a failing expression; ``MemoryError``:
        memory limit exceeded.

        ``block``: Compiled template of an earlier call with the same source; or ``b""``. Returns the text as JSON, and
        the compiled template; ``b""`` if one was passed in, or it is too large.
        """
        compiled = b""
        try:
            if block:
                code: CodeType = marshal.loads(block)
            else:
                code = self._environment.compile(source, filename=FILENAME)
                compiled = marshal.dumps(code)
            template = jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None))
            text = template.render(variables)
        except MemoryError:
            raise
        except jinja2.TemplateSyntaxError as error:
            name = f"{type(error).__module__}.{type(error).__name__}"
            raise ProgramFailed(f"{name}: {error.message} (line {error.lineno})") from None
        except BaseException as error:
            raise ProgramFailed(describe(error, FILENAME)) from None
        return json.dumps(text, ensure_ascii=False), compiled if len(compiled) <= MAX_BLOCK else b""

    def warm_up(self) -> None:
        """Touch the memory that rendering needs, before a job arrives."""
        self.render("", self._warm_up_variables(), self._warm_up_block)

    @staticmethod
    def _warm_up_variables() -> dict[str, Any]:
        return {"items": [{"name": "n", "n": 1.5}], "d": {"a": 1}, "s": "a,b", "a": 0}
