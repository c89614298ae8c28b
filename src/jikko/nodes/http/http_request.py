"""HTTP Request node."""

import base64
import re
from collections.abc import Mapping
from typing import ClassVar, Final, Self

from msgspec import Struct
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import MISSING, Fields, bad_value
from jikko.lang.templates import Template
from jikko.lang.variables import Readable
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result, Variables
from jikko.nodes.http.http_body import BodyTemplate, PreparedBody
from jikko.nodes.http.http_response import file_identity, headers_of, is_file, readable_size, request_text, text_of
from jikko.ports.http import FAILED, FailureKind, HttpFailure, HttpResponse, OutgoingRequest, Pairs, Timeouts
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.values import Json


class Authorization(Struct, frozen=True):
    type: str
    """``bearer``, ``basic`` or ``custom``."""
    key: Template
    header: str

    @classmethod
    def read(cls, data: Fields) -> Self | None:
        if data.choice("type", ("no-auth", "api-key"), "no-auth") == "no-auth":
            return None
        config = data.mapping("config")
        if not config.raw:
            data.problem("config", MISSING, Phrase("remedy.api_key"))
        return cls(
            type=config.choice("type", ("bearer", "basic", "custom"), "bearer"),
            key=Template.parse(config.text("api_key")),
            header=config.text("header").strip() or "Authorization",
        )

    def value(self, variables: Variables) -> str:
        """Return the header's value. Raises ``NodeFailure``: the key is blank, or cannot be encoded."""
        key = self.key.to_text(variables)
        if not key.strip():
            raise NodeFailure(
                "API key is required for authorization but was empty. Please provide a valid API key.",
                kind="AuthorizationConfigError",
            )
        match self.type:
            case "bearer":
                return f"Bearer {key}"
            case "basic":
                return f"Basic {_encoded(key) if ':' in key else key}"
            case _:
                return key


def _encoded(key: str) -> str:
    try:
        return base64.b64encode(key.encode()).decode()
    except UnicodeEncodeError:
        raise NodeFailure(
            "The API key holds characters that cannot be sent.", kind="AuthorizationConfigError"
        ) from None


# The headers of an HTTP Request node: lines ``Name: value`` with references in them.

_BREAK: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Line boundaries of ``str.splitlines``."""


class HeaderLine(Struct, frozen=True):
    """One configured line.

    Variables cannot inject headers: their line breaks become spaces. Only a line that is a single reference may expand
    to several headers, since its variable is meant to hold them.

    Source: docs/dify-behaviour.md, “HTTP request” (headers). Dify splits the expanded text.
    """

    name: Template
    """The whole line, if it has no colon."""
    value: Template | None
    is_block: bool
    """Whether the line is a single reference."""

    @classmethod
    def parse(cls, line: str) -> Self:
        """Split a line at its first colon, which is never part of a reference."""
        name, colon, value = line.partition(":")
        template = Template.parse(name.strip())
        is_block = not colon and len(template.parts) == 1 and not isinstance(template.parts[0], str)
        return cls(template, Template.parse(value.strip()) if colon else None, is_block)

    def expanded(self, variables: Readable) -> dict[str, str]:
        """Return the headers by name: one, or all in the variable."""
        text = self.name.to_text(variables)
        if self.is_block:
            return dict(_halves(line) for line in text.splitlines() if line.strip())
        text = _one_line(text)
        if self.value is not None:
            return {text: _one_line(self.value.to_text(variables))}
        return dict([_halves(text)]) if text else {}


def read_headers(text: str) -> tuple[HeaderLine, ...]:
    """Parse the configured lines, without empty ones."""
    return tuple(HeaderLine.parse(line) for line in text.splitlines() if line.strip())


def _halves(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _one_line(text: str) -> str:
    return _BREAK.sub(" ", text).strip()


METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")
_GIVEN_UP: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that always fail. A quirk of Dify, whose client retries these, zero times here, and gives up."""
_KINDS: Final[Mapping[FailureKind, str]] = {
    "url": "InvalidURLError",
    "body": "RequestBodyError",
    "too_large": "ResponseSizeError",
}
_END_OF_HOST: Final = re.compile(r"[/?#\\]")


class _Head(Struct, frozen=True):
    """Request head: as sent, or as recorded."""

    url: str
    params: Pairs
    headers: dict[str, str]
    """Including the API key's header."""

    @property
    def host(self) -> str:
        """Return host and port, if they can be parsed."""
        return _END_OF_HOST.split(self.url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]


class HttpRequest(NodeConfig, frozen=True):
    """Send a request, and return the answer. Source: docs/dify-behaviour.md, “HTTP request”.

    A status other than 2xx is a failure only if the node has an error strategy or retries.
    """

    type: ClassVar[str] = "http-request"
    has_effects: ClassVar[bool] = True

    method: str
    url: Template
    api_key: Authorization | None
    headers: tuple[HeaderLine, ...]
    params: tuple[tuple[Template, Template], ...]
    body: BodyTemplate
    timeouts: Timeouts
    ssl_verify: bool | None
    strict: bool
    """Whether a status other than 2xx is a failure."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        method = data.text("method", required=True)
        if method and method.lower() not in METHODS:
            data.problem(
                "method", bad_value(repr(method)), Phrase("remedy.expected_one_of", {"wanted": ", ".join(METHODS)})
            )
        timeout, usual = data.mapping("timeout"), Timeouts()
        return cls(
            method=method,
            url=Template.parse(data.text("url", required=True)),
            api_key=Authorization.read(data.mapping("authorization")),
            headers=read_headers(data.text("headers")),
            params=_read_params(data.text("params")),
            body=BodyTemplate.read(data.mapping("body")),
            timeouts=Timeouts(
                connect=timeout.integer("connect", minimum=0) or usual.connect,
                read=timeout.integer("read", minimum=0) or usual.read,
                write=timeout.integer("write", minimum=0) or usual.write,
            ),
            ssl_verify=None if data.get("ssl_verify") is None else data.boolean("ssl_verify"),
            strict=bool(data.get("error_strategy")) or data.mapping("retry_config").boolean("retry_enabled"),
        )

    async def run(self, ctx: Context) -> Result:
        sent = self._head(ctx.variables)
        recorded = sent if ctx.recorded is ctx.variables else self._head(ctx.recorded)
        _check_url(sent.url)
        body = await self.body.prepare(ctx)
        headers = self._headers(sent, body)
        _check_headers(headers, recorded.headers)
        process_data = {"request": self._record(sent, headers, recorded, body)}
        try:
            response = await self._send(ctx, sent, headers, recorded, body)
            outputs = await outputs_of(ctx, sent.url, response)
        except NodeFailure as failure:
            failure.process_data = process_data
            raise
        if self.strict and not 200 <= response.status < 300:
            raise NodeFailure(
                f"Request failed with status code {response.status}",
                kind="HTTPResponseCodeError",
                process_data=process_data,
                outputs=outputs,
            )
        return Result(outputs=outputs, process_data=process_data)

    def _head(self, variables: Variables) -> _Head:
        key = None if self.api_key is None else self.api_key.value(variables)
        headers: dict[str, str] = {}
        for line in self.headers:
            headers |= line.expanded(variables)
        if self.api_key is not None and key is not None:
            headers[self.api_key.header] = key
        return _Head(
            url=self.url.to_text(variables),
            params=tuple((name.to_text(variables), value.to_text(variables)) for name, value in self.params),
            headers=headers,
        )

    def _headers(self, head: _Head, body: PreparedBody) -> Pairs:
        headers = head.headers
        if self.body.type == "form-data":
            # The user's own would lack the boundary.
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        if body.content_type is not None and "content-type" not in map(str.lower, headers):
            headers = {**headers, "Content-Type": body.content_type}
        return tuple(headers.items())

    def _record(self, sent: _Head, headers: Pairs, recorded: _Head, body: PreparedBody) -> str:
        """Return the recorded request. Raises ``NodeFailure`` if it cannot be sent."""
        try:
            text = self._text(sent, headers, body)
        except UnicodeEncodeError:
            raise NodeFailure("The parameters hold characters that cannot be sent.", kind="InvalidURLError") from None
        except ValueError:
            # Without the error's text, which may contain user and password.
            raise NodeFailure("The URL cannot be used: its host is malformed.", kind="InvalidURLError") from None
        if recorded is sent:
            return text
        headers = self._headers(recorded, body)
        try:
            return self._text(recorded, headers, body)
        except ValueError:
            # A mask may have made the URL invalid.
            return self._text(replace(recorded, url=""), headers, body)

    def _text(self, head: _Head, headers: Pairs, body: PreparedBody) -> str:
        return request_text(
            self.method,
            head.url,
            params=head.params,
            headers=headers,
            masked_header=None if self.api_key is None else self.api_key.header,
            body=body.shown,
        )

    async def _send(
        self, ctx: Context, sent: _Head, headers: Pairs, recorded: _Head, body: PreparedBody
    ) -> HttpResponse:
        if self.method.lower() == "options":
            raise NodeFailure(f"Invalid http method {self.method}", kind="InvalidHttpMethodError")
        limits = ctx.ports.limits
        request = OutgoingRequest(
            method=self.method,
            url=sent.url,
            headers=headers,
            params=_grouped(sent.params),
            body=body.content,
            timeouts=self.timeouts,
            ssl_verify=self.ssl_verify,
            max_bytes=max(limits.max_http_text, limits.max_http_file),
            secret_headers=frozenset() if self.api_key is None else frozenset({self.api_key.header.lower()}),
            app_id=ctx.run.app_id,
        )
        try:
            response = await ctx.ports.http.send(request)
        except HttpFailure as failure:
            message = _message_of(failure, sent, recorded)
            raise NodeFailure(message, kind=_KINDS.get(failure.kind, "HttpRequestNodeError")) from failure
        if response.status in _GIVEN_UP:
            raise NodeFailure(
                f"Reached maximum retries for URL {_without_userinfo(recorded.url)} (status {response.status})",
                kind="HttpRequestNodeError",
            )
        return response


def _check_url(url: str) -> None:
    if not url:
        raise NodeFailure("url is required", kind="InvalidURLError")
    if not url.startswith(("http://", "https://")):
        raise NodeFailure("url should start with http:// or https://", kind="InvalidURLError")


def _check_headers(sent: Pairs, recorded: Mapping[str, str]) -> None:
    for name, value in sent:
        if not name.isascii() or not value.isascii():
            # Value and name may be secrets.
            which = f"The header {name!r}" if name in recorded else "A header"
            raise NodeFailure(
                f"{which} cannot be sent: names and values of headers must be ASCII.", kind="WorkflowNodeError"
            )


def _message_of(failure: HttpFailure, sent: _Head, recorded: _Head) -> str:
    """Return a failure's message. It may name the host or a header, and so contain secrets."""
    if sent.host == recorded.host and sent.headers.keys() == recorded.headers.keys():
        return str(failure)
    return f"The request to {recorded.host or 'a secret host'} failed: {FAILED[failure.kind]}."


def _read_params(text: str) -> tuple[tuple[Template, Template], ...]:
    """Parse lines ``key: value`` as templates: a line break in a variable does not start a new one."""
    found = []
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip():
            found.append((Template.parse(key.strip()), Template.parse(value.strip())))
    return tuple(found)


def _grouped(params: Pairs) -> Pairs:
    """Return those of one name together, as Dify's HTTP client sends them."""
    found: dict[str, list[str]] = {}
    for name, value in params:
        found.setdefault(name, []).append(value)
    return tuple((name, value) for name, values in found.items() for value in values)


def _without_userinfo(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


# What an HTTP request node hands on of an answer: its text, or the file that it is.


async def outputs_of(ctx: Context, url: str, response: HttpResponse) -> dict[str, Json]:
    """Return ``status_code``, ``body``, ``headers``, ``files``. ``url``: Of the answer. Raises ``NodeFailure``: too
    large."""
    limits = ctx.ports.limits
    file = is_file(response, url)
    limit = limits.max_http_file if file else limits.max_http_text
    if len(response.body) > limit:
        raise NodeFailure(
            f"{'File' if file else 'Text'} size is too large, max size is {readable_size(limit)}, "
            f"but current size is {readable_size(len(response.body))}.",
            kind="ResponseSizeError",
        )
    return {
        "status_code": response.status,
        "body": "" if file else text_of(response),
        "headers": headers_of(response),
        "files": [await _stored(ctx, url, response)] if file else [],
    }


async def _stored(ctx: Context, url: str, response: HttpResponse) -> dict[str, Json]:
    name, mime_type = file_identity(response, url)
    try:
        return await ctx.ports.files.make(
            response.body, app_id=ctx.run.app_id, end_user_id=ctx.run.end_user_id, name=name, mime_type=mime_type
        )
    except FileTooLarge as error:
        raise NodeFailure(str(error), kind="ResponseSizeError") from None
