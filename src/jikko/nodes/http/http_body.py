"""Body of HTTP Request nodes: as sent, and as recorded."""

import json
from secrets import token_hex
from typing import Final, Self
from urllib.parse import urlencode

from msgspec import Struct

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.dsl.fields import Fields
from jikko.lang.json_examples import MAX_REPAIRED, TooLong, repaired
from jikko.lang.templates import Template
from jikko.nodes.contract import Context, NodeFailure
from jikko.nodes.files.file_content import read_content
from jikko.nodes.node_variables import MaskedText
from jikko.ports.http import FormFile, Multipart
from jikko.values import UNSET, Json, Selector, is_file

TYPES: Final = ("none", "form-data", "x-www-form-urlencoded", "raw-text", "json", "binary")
_CONTENT_TYPES: Final = {
    "json": "application/json",
    "x-www-form-urlencoded": "application/x-www-form-urlencoded",
    "raw-text": "text/plain",
}
_PLACEHOLDER: Final = FormFile("__multipart_placeholder__", "", b"", "application/octet-stream")
"""Dify adds it to forms without files, so that its HTTP library sends multipart."""


class PreparedBody(Struct, frozen=True):
    content: bytes | Multipart | None = None
    shown: str = ""
    """Recorded form. Its length in characters is recorded as Content-Length."""
    content_type: str | None = None
    """Default Content-Type."""


class BodyItem(Struct, frozen=True):
    key: Template
    is_file: bool
    value: Template
    file: Selector

    @classmethod
    def read(cls, data: Fields) -> Self:
        return cls(
            key=Template.parse(data.text("key")),
            is_file=data.choice("type", ("text", "file"), "text") == "file",
            value=Template.parse(data.text("value")),
            file=data.selector("file"),
        )


class BodyTemplate(Struct, frozen=True):
    """Configured body. Source: docs/dify-behaviour.md, “HTTP request”."""

    type: str = "none"
    items: tuple[BodyItem, ...] = ()

    @classmethod
    def read(cls, data: Fields) -> Self:
        kind = data.choice("type", TYPES, "none")
        raw = data.get("data")
        if not raw or kind == "none":
            return cls(kind)
        if isinstance(raw, str):
            # The form of older files. Source: docs/dify-behaviour.md, “Older files”.
            return cls(kind, (BodyItem(Template.parse(""), False, Template.parse(raw), ()),))
        return cls(kind, tuple(BodyItem.read(item) for item in data.mappings("data")))

    async def prepare(self, ctx: Context) -> PreparedBody:
        """Expand templates and fetch files. Raises ``NodeFailure`` (``RequestBodyError``, ``FileFetchError``)."""
        try:
            match self.type:
                case "raw-text":
                    return self._text(MaskedText.of(self._only_item().value, ctx))
                case "json":
                    return await self._json(MaskedText.of(self._only_item().value, ctx))
                case "binary":
                    return await self._binary(ctx)
                case "x-www-form-urlencoded":
                    return self._urlencoded(ctx)
                case "form-data":
                    return await self._form(ctx)
                case _:
                    return PreparedBody()
        except UnicodeEncodeError:
            raise NodeFailure("The body holds characters that cannot be sent.", kind="RequestBodyError") from None

    def _only_item(self) -> BodyItem:
        if len(self.items) != 1:
            raise NodeFailure(f"{self.type} body type should have exactly one item", kind="RequestBodyError")
        return self.items[0]

    def _text(self, text: MaskedText) -> PreparedBody:
        # A text that becomes empty is recorded as its template. Source: Dify 1.15.
        return PreparedBody(text.used.encode(), text.recorded or self.items[0].value.source, _CONTENT_TYPES[self.type])

    async def _json(self, text: MaskedText) -> PreparedBody:
        try:
            value = await _lenient_json(text.used)
            sent = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            if value is None:
                sent = b""  # [QUIRK]
        except UnicodeEncodeError:
            raise
        except TooManyElements as error:
            raise NodeFailure(f"The body has {error}.", kind="RequestBodyError") from None
        except TooLong:
            raise NodeFailure(
                f"The body is not JSON, and too long to be repaired: it has more than {MAX_REPAIRED} characters.",
                kind="RequestBodyError",
            ) from None
        except (ValueError, RecursionError):
            shown = text.recorded if len(text.recorded) <= 200 else f"{text.recorded[:200]}…"
            raise NodeFailure(f"Failed to parse JSON: {shown}", kind="RequestBodyError") from None
        shown = await _recorded_json(text.recorded) if text.is_masked else _dumped(value)
        return PreparedBody(sent, shown, _CONTENT_TYPES[self.type])

    async def _binary(self, ctx: Context) -> PreparedBody:
        selector = self._only_item().file
        file = ctx.variables.get(selector)
        if not isinstance(file, dict) or not is_file(file):
            raise NodeFailure(f"cannot fetch file with selector {list(selector)}", kind="FileFetchError")
        content = await _content(ctx, file)
        return PreparedBody(content, f"<binary_content: size={len(content)} bytes>" if content else "")

    def _urlencoded(self, ctx: Context) -> PreparedBody:
        fields = self._fields(ctx)
        sent = urlencode([(name.used, value.used) for name, value in fields])
        recorded = sent
        if ctx.recorded is not ctx.variables:
            recorded = urlencode([(name.recorded, value.recorded) for name, value in fields])
        return PreparedBody(sent.encode(), recorded, _CONTENT_TYPES[self.type])

    async def _form(self, ctx: Context) -> PreparedBody:
        fields = self._fields(ctx)
        files = await self._files(ctx)
        boundary = f"----FormBoundary{token_hex(16)}"
        shown = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
            # With files, only they are recorded. Source: Dify 1.15.
            for name, text in (
                [(name, _summary(file)) for name, file in files]
                if files
                else [(name.recorded, value.recorded) for name, value in fields]
            )
        )
        return PreparedBody(
            content=Multipart(
                boundary,
                tuple((name.used, value.used) for name, value in fields),
                tuple(file for _, file in files) or (_PLACEHOLDER,),
            ),
            shown=f"{shown}--{boundary}--\r\n" if shown else "",
            content_type=f"multipart/form-data; boundary={boundary}",
        )

    def _fields(self, ctx: Context) -> list[tuple[MaskedText, MaskedText]]:
        """Return names and texts; the last text of a name counts."""
        fields: dict[str, tuple[MaskedText, MaskedText]] = {}
        for item in self.items:
            if not item.is_file or self.type != "form-data":
                name = MaskedText.of(item.key, ctx)
                fields[name.used] = name, MaskedText.of(item.value, ctx)
        return list(fields.values())

    async def _files(self, ctx: Context) -> list[tuple[str, FormFile]]:
        """Return the existing files, each with its recorded name. Selectors without a file are skipped."""
        selectors: dict[str, tuple[MaskedText, Selector]] = {}
        for item in self.items:
            if item.is_file:
                name = MaskedText.of(item.key, ctx)
                selectors[name.used] = name, item.file
        found = []
        for name, selector in selectors.values():
            value = ctx.variables.get(selector)
            candidates = [] if value is UNSET else value if isinstance(value, list) else [value]
            if candidates and all(map(is_file, candidates)):
                found += [(name, file) for file in candidates if file.get("related_id") or file.get("remote_url")]
        return [
            (
                name.recorded,
                FormFile(
                    name=name.used,
                    filename=file.get("filename") or "",
                    content=await _content(ctx, file),
                    content_type=file.get("mime_type") or "application/octet-stream",
                ),
            )
            for name, file in found
        ]


async def _content(ctx: Context, file: dict[str, Json]) -> bytes:
    try:
        return await read_content(ctx, file)
    except NodeFailure as failure:
        failure.kind = failure.kind or "FileFetchError"
        raise


def _summary(file: FormFile) -> str:
    name = file.filename or "unknown"
    return f"<file_content_binary: '{name}', type='{file.content_type}', size={len(file.content)} bytes>"


def _dumped(value: Json) -> str:
    # An empty value is sent, but not recorded. Source: Dify 1.15.
    return json.dumps(value) if value else ""


async def _recorded_json(text: str) -> str:
    """Return masked JSON for the record; masking may have made it invalid."""
    try:
        return _dumped(await _lenient_json(text))
    except (TooLong, ValueError, RecursionError):
        return text


async def _lenient_json(text: str) -> Json:
    """Parse possibly broken JSON. Raises ``TooManyElements``, or ``ValueError`` if there is no value."""
    try:
        return await decode_json(text, json.loads)
    except TooManyElements:
        raise
    except ValueError:
        return await repaired(text, _repair)


def _repair(text: str) -> Json:
    # Only for broken JSON.
    from json_repair import repair_json

    return json.loads(str(repair_json(text)), strict=False)
