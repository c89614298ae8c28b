"""Document Extractor node: the text of a file, or of each file in a list."""

from typing import ClassVar, Self

from jikko.dsl.fields import Fields
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result
from jikko.nodes.files.file_content import read_content
from jikko.ports.files.documents import DocumentFailure
from jikko.values import UNSET, Json, Selector, is_file


class DocumentExtractor(NodeConfig, frozen=True):
    """Extract texts; without a value, an empty list. Source: docs/dify-behaviour.md, “Document extractor”."""

    type: ClassVar[str] = "document-extractor"

    selector: Selector

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(selector=data.selector("variable_selector", required=True))

    async def run(self, ctx: Context) -> Result:
        value = ctx.variables.get(self.selector)
        selector = list(self.selector)
        if value is UNSET:
            raise NodeFailure(f"File variable not found for selector: {selector}")
        if value and not is_file(value) and not (isinstance(value, list) and all(map(is_file, value))):
            raise NodeFailure(f"Variable {selector} is not an ArrayFileSegment")
        inputs: dict[str, Json] = {"variable_selector": selector}
        process_data: dict[str, Json] = {"documents": value if isinstance(value, list) else [value]}
        if not value:
            return Result(outputs={"text": []}, inputs=inputs, process_data=process_data)
        try:
            text = [await _text(ctx, file) for file in value] if isinstance(value, list) else await _text(ctx, value)
        except NodeFailure as failure:
            failure.inputs, failure.process_data = inputs, process_data
            raise
        return Result(outputs={"text": text}, inputs=inputs, process_data=process_data)


async def _text(ctx: Context, file: dict[str, Json]) -> str:
    content = await read_content(ctx, file)
    extension = file.get("extension") or ""
    name = str(file.get("filename") or "")
    # The run's extension decides: for remote files it is derived from the type, not from the name.
    filename = name if name.lower().endswith(extension.lower()) else f"{name or 'file'}{extension}"
    try:
        return await ctx.ports.documents.extract(
            content, filename=filename, mime_type=str(file.get("mime_type") or ""), app_id=ctx.run.app_id
        )
    except DocumentFailure as failure:
        raise NodeFailure(str(failure)) from None
