"""Code node: a Python or JavaScript function of the user, run in the sandbox."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final, Self

from msgspec.structs import replace

from jikko.concurrency.run_in_thread import release_gil, run_in_thread
from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields
from jikko.masking import masked_forms
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.nodes.data.code_outputs import OutputCheck, OutputSpec, invalid_output, read_outputs
from jikko.nodes.http.http_response import is_file, readable_size, request_text
from jikko.nodes.node_variables import NamedVariables, read_named, values_of
from jikko.ports.files.file_types import UNKNOWN, mime_type_of
from jikko.ports.http import FAILED, HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.node_ports import ValueLimits
from jikko.ports.sandbox import FILE_MARK, HTTP_CLIENTS, SandboxFailure
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.values import Json, has_more_elements

LANGUAGES = ("python3", "javascript")
_MAX_INLINE_ELEMENTS: Final = 1000
"""Elements of a result validated on the event loop, which takes a millisecond or two."""


class Code(NodeConfig, frozen=True):
    """Call a program's ``main``, and validate its result. Source: docs/dify-behaviour.md, “Code node”.

    Missing variables are null, and so are empty file lists. HTTP requests of the program are recorded as ``requests``
    in the process data. Unlike in Dify, outputs may be files.
    """

    type: ClassVar[str] = "code"

    language: str
    code: str
    variables: NamedVariables
    outputs: Mapping[str, OutputSpec]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        if data.get("outputs") is None:
            data.problem("outputs", MISSING, Phrase("remedy.declare_outputs"))
        language = data.choice("code_language", LANGUAGES, "python3")
        return cls(
            language=language,
            code=data.text("code", required=True),
            variables=read_named(data, "variables"),
            outputs=read_outputs(data, "outputs", (FILE, FILES) if language == "python3" else ()),
        )

    @property
    def has_effects(self) -> bool:
        return self.language == "python3" and any(name in self.code for name in HTTP_CLIENTS)

    async def run(self, ctx: Context) -> Result:
        arguments = values_of(self.variables, ctx.variables)
        recorded = arguments if ctx.recorded is ctx.variables else values_of(self.variables, ctx.recorded)
        requests = ProgramRequests(ctx, arguments, recorded)
        kinds = {name: spec.type for name, spec in self.outputs.items() if spec.type in (FILE, FILES)}
        try:
            result = await ctx.ports.sandbox.run_code(
                self.language,
                self.code,
                arguments,
                app_id=ctx.run.app_id,
                send=requests.send if self.has_effects else None,
                files=kinds,
            )
            outputs = await self._outputs(ctx, result, kinds)
        except (SandboxFailure, NodeFailure) as failure:
            raise NodeFailure(
                requests.masked_message(failure), kind=failure.kind, inputs=recorded, process_data=requests.process_data
            ) from None
        return Result(outputs=outputs, inputs=recorded, process_data=requests.process_data)

    async def _outputs(self, ctx: Context, result: Mapping[str, Json], kinds: Mapping[str, str]) -> Mapping[str, Json]:
        """Return the validated result; its files are stored once everything else is valid."""
        if not kinds:
            return await self._checked(result, self.outputs, ctx.ports.limits)
        plain = {name: value for name, value in result.items() if name not in kinds}
        others = {name: spec for name, spec in self.outputs.items() if name not in kinds}
        outputs = dict(await self._checked(plain, others, ctx.ports.limits))
        for name, kind in kinds.items():
            if name not in result:
                raise invalid_output(f"Output {name} is missing.")
            outputs[name] = await keep_files(ctx, result[name], kind, name)
        return {name: outputs[name] for name in self.outputs}

    @staticmethod
    async def _checked(
        result: Mapping[str, Json], specs: Mapping[str, OutputSpec], limits: ValueLimits
    ) -> Mapping[str, Json]:
        if not has_more_elements(result, _MAX_INLINE_ELEMENTS):
            return OutputCheck(limits).declared(result, specs)
        check = OutputCheck(limits, pause=release_gil)
        return await run_in_thread(lambda outputs: check.declared(result, outputs), specs)


# Files that the program of a code node returned. Dify's code nodes have no such outputs.

FILE: Final = "file"
FILES: Final = "array[file]"
_MAX_NAME_LENGTH: Final = 200


async def keep_files(ctx: Context, value: Json, kind: str, name: str) -> Json:
    """Store the files of the output ``name``. Returns the file mapping, or the list of them.

    ``kind``: ``FILE`` or ``FILES``. Raises ``NodeFailure``: not a file, or too large.
    """
    if value is None:
        return None
    if kind == FILE:
        return await _keep(ctx, value, name)
    if not isinstance(value, list):
        raise invalid_output(f"Output {name} is not an array.")
    limit = ctx.ports.limits.max_objects
    if len(value) > limit:
        raise invalid_output(
            f"The length of output {name} must be at most {limit} elements, but is {len(value)} "
            "(set by JIKKO_MAX_OBJECTS)."
        )
    return [await _keep(ctx, item, f"{name}[{index}]") for index, item in enumerate(value)]


async def _keep(ctx: Context, value: Json, path: str) -> Json:
    match value.get(FILE_MARK) if isinstance(value, dict) else None:
        case {"filename": str(filename), "content": str(text)}:
            try:
                content = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                raise invalid_output(f"Output {path} is not a file.") from None
        case _:
            raise invalid_output(f"Output {path} is not a file.")
    # Only the last part of a path, without characters that do not fit into a header.
    filename = "".join(filter(str.isprintable, filename.replace("\\", "/").rpartition("/")[2]))[-_MAX_NAME_LENGTH:]
    filename = filename or "file.bin"
    mime_type = mime_type_of(filename) or UNKNOWN
    try:
        return await ctx.ports.files.make(
            content, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id, name=filename, mime_type=mime_type
        )
    except FileTooLarge as error:
        raise invalid_output(f"Output {path}: {error}") from None


_MAX_BODY_LENGTH: Final = 10_000
"""Maximum characters of a recorded body."""
_MASK: Final = "*"
_SECRET_WORDS: Final = ("authorization", "cookie", "token", "secret", "key", "password", "signature")
"""Parts of names of headers whose values are not recorded."""


class ProgramRequests:
    def __init__(self, ctx: Context, arguments: Mapping[str, Json], recorded: Mapping[str, Json]) -> None:
        """``arguments``: Of the program; ``recorded``: The same with secrets masked."""
        self._ctx = ctx
        self._secrets = frozenset() if arguments is recorded else frozenset(_differing(arguments, recorded))
        self._made: list[Json] = []

    @property
    def process_data(self) -> dict[str, Json]:
        """Return the process data; empty without requests."""
        return {"requests": self._made} if self._made else {}

    def masked_message(self, failure: Exception) -> str:
        """Return the error text of the program: libraries quote URLs and values."""
        return masked_forms(str(failure), self._secrets)

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        """Make one request. Raises ``HttpFailure`` without a permitted answer."""
        limits = self._ctx.ports.limits
        if limits.max_code_requests == 0:
            raise HttpFailure(
                "Requests of code nodes are switched off (JIKKO_CODE_REQUESTS is 0); use an HTTP Request node.",
                kind="address",
            )
        if len(self._made) >= limits.max_code_requests:
            raise HttpFailure(
                f"The program made more than {limits.max_code_requests} requests (set by JIKKO_CODE_REQUESTS).",
                kind="address",
            )
        record: dict[str, Json] = {"request": self._text(request)}
        self._made.append(record)
        request = replace(
            request, max_bytes=max(limits.max_http_text, limits.max_http_file), app_id=self._ctx.run.app_id
        )
        try:
            response = await self._ctx.ports.http.send(request)
            limit = limits.max_http_file if is_file(response, request.url) else limits.max_http_text
            if len(response.body) > limit:
                raise HttpFailure(
                    f"The answer is too large: {readable_size(len(response.body))}, and at most {readable_size(limit)} "
                    "may come (set by JIKKO_HTTP_MAX_TEXT and JIKKO_HTTP_MAX_FILE).",
                    kind="too_large",
                )
        except HttpFailure as failure:
            # Its text may name the host or a header, and so contain secrets.
            shown = f"The request failed: {FAILED[failure.kind]}." if self._secrets else str(failure)
            record["error"] = shown
            raise HttpFailure(shown, kind=failure.kind) from None
        record |= {"status_code": response.status, "size": len(response.body)}
        return response

    def _text(self, request: OutgoingRequest) -> str:
        try:
            if self._secrets:
                return self._without_secrets(request)
            headers = tuple(
                (name, _MASK * len(value) if any(word in name.lower() for word in _SECRET_WORDS) else value)
                for name, value in request.headers
            )
            return request_text(
                request.method, request.url, params=(), headers=headers, masked_header=None, body=_shown(request.body)
            )
        except ValueError:
            return f"{request.method} (an address that cannot be used)"

    def _without_secrets(self, request: OutgoingRequest) -> str:
        """Return method and host, unless they contain a secret. The rest may contain it in any encoding."""
        host = request.url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
        host = host.rpartition("@")[2].lower()
        hidden = any(secret.lower() in host or host in secret.lower() for secret in self._secrets)
        shown = "a secret host" if hidden or any(_MASK in part for part in host) else host
        return f"{request.method} to {shown}; the rest is not recorded, as the program was given a secret"


def _differing(value: Json | Mapping[str, Json], masked: Json | Mapping[str, Json]) -> Iterator[str]:
    """Yield the texts that were masked."""
    if isinstance(value, Mapping) and isinstance(masked, Mapping):
        for name, item in value.items():
            yield from _differing(item, masked.get(name))
    elif isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
        for item, other in zip(value, masked, strict=True):
            yield from _differing(item, other)
    elif value != masked:
        yield str(value)


def _shown(body: object) -> str:
    if not isinstance(body, bytes):
        return ""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"<binary_content: size={len(body)} bytes>"
    return text if len(text) <= _MAX_BODY_LENGTH else f"{text[:_MAX_BODY_LENGTH]}…"
