"""The Code node: a Python or JavaScript function of the user's. It runs in the sandbox."""

import base64
import binascii
from collections.abc import Mapping
from typing import ClassVar, Final, Self

from msgspec import Struct

from jikko.concurrency.off_the_loop import let_the_loop_go_on, off_the_loop
from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.nodes.context import Context
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.data.code_outputs import OutputCheck, OutputSpec, read_outputs
from jikko.nodes.data.program_requests import ProgramRequests
from jikko.nodes.named_variables import NamedVariables, read_named, values_of
from jikko.ports.files.file_types import UNKNOWN, mime_type_of
from jikko.ports.node_ports import ValueLimits
from jikko.ports.sandbox import FILE_MARK, HTTP_CLIENTS, SandboxFailure
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.values import Json, has_more_elements

LANGUAGES = ("python3", "javascript")
_MAX_INLINE_ELEMENTS: Final = 1000
"""Elements of a result that are checked on the event loop; it takes a millisecond or two."""


class Code(Struct, frozen=True):
    """Call the program's ``main`` with some variables, and check what it returns.

    A variable that does not exist is null, and so is an empty list of files. Requests of the program, which Dify's make
    themselves, are recorded as ``requests`` of the process data. Outputs may also be files, unlike Dify's.

    Source: docs/dify-behaviour.md, “Code node”.
    """

    type: ClassVar[str] = "code"
    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False

    language: str
    code: str
    variables: NamedVariables
    outputs: Mapping[str, OutputSpec]

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        if data.get("outputs") is None:
            data.problem("outputs", Phrase("document.missing"), Phrase("remedy.declare_outputs"))
        language = data.choice("code_language", LANGUAGES, "python3")
        return cls(
            language=language,
            code=data.text("code", required=True),
            variables=read_named(data, "variables"),
            outputs=read_outputs(data, "outputs", (FILE, FILES) if language == "python3" else ()),
        )

    @property
    def has_effects(self) -> bool:
        """Whether the program may make requests."""
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
                requests.told(failure), kind=failure.kind, inputs=recorded, process_data=requests.process_data
            ) from None
        return Result(outputs=outputs, inputs=recorded, process_data=requests.process_data)

    async def _outputs(self, ctx: Context, result: Mapping[str, Json], kinds: Mapping[str, str]) -> Mapping[str, Json]:
        """What the program returned, checked; its files are stored once all else is right."""
        if not kinds:
            return await self._checked(result, self.outputs, ctx.ports.limits)
        plain = {name: value for name, value in result.items() if name not in kinds}
        others = {name: spec for name, spec in self.outputs.items() if name not in kinds}
        outputs = dict(await self._checked(plain, others, ctx.ports.limits))
        for name, kind in kinds.items():
            if name not in result:
                raise NodeFailure(f"Output {name} is missing.", kind="OutputValidationError")
            outputs[name] = await keep_files(ctx, result[name], kind, name)
        return {name: outputs[name] for name in self.outputs}

    @staticmethod
    async def _checked(
        result: Mapping[str, Json], specs: Mapping[str, OutputSpec], limits: ValueLimits
    ) -> Mapping[str, Json]:
        if not has_more_elements(result, _MAX_INLINE_ELEMENTS):
            return OutputCheck(limits).declared(result, specs)
        check = OutputCheck(limits, pause=let_the_loop_go_on)
        return await off_the_loop(lambda outputs: check.declared(result, outputs), specs)


# Files that the program of a code node returned. Dify's code nodes have no such outputs.

FILE: Final = "file"
FILES: Final = "array[file]"
_MAX_NAME_LENGTH: Final = 200


async def keep_files(ctx: Context, value: Json, kind: str, name: str) -> Json:
    """Store what a program returned for one output.

    Args:
        kind: ``FILE`` or ``FILES``.
        name: Of the output.

    Returns:
        The file mapping, or the list of them; ``None`` stays.

    Raises:
        NodeFailure: It is no file, or too large.
    """
    if value is None:
        return None
    if kind == FILE:
        return await _keep(ctx, value, name)
    if not isinstance(value, list):
        raise _invalid(f"Output {name} is not an array.")
    limit = ctx.ports.limits.max_objects
    if len(value) > limit:
        raise _invalid(
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
                raise _invalid(f"Output {path} is no file.") from None
        case _:
            raise _invalid(f"Output {path} is no file.")
    # What a path names is its last part, and what would not fit into a header is left out.
    filename = "".join(filter(str.isprintable, filename.replace("\\", "/").rpartition("/")[2]))[-_MAX_NAME_LENGTH:]
    filename = filename or "file.bin"
    mime_type = mime_type_of(filename) or UNKNOWN
    try:
        return await ctx.ports.files.make(
            content, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id, name=filename, mime_type=mime_type
        )
    except FileTooLarge as error:
        raise _invalid(f"Output {path}: {error}") from None


def _invalid(message: str) -> NodeFailure:
    return NodeFailure(message, kind="OutputValidationError")
