"""What an HTTP request node hands on of an answer: its text, or the file that it is."""

from jikko.nodes.context import Context
from jikko.nodes.contract import NodeFailure
from jikko.nodes.http.http_response import file_identity, headers_of, is_file, readable_size, text_of
from jikko.ports.http import HttpResponse
from jikko.ports.stores.blob_store import FileTooLarge
from jikko.values import Json


async def outputs_of(ctx: Context, url: str, response: HttpResponse) -> dict[str, Json]:
    """The outputs: ``status_code``, ``body``, ``headers``, ``files``.

    Args:
        url: Where the answer is from.

    Raises:
        NodeFailure: It is too large.
    """
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
            response.body,
            app_id=ctx.run.app_id,
            end_user_id=ctx.run.end_user_id,
            name=name,
            mime_type=mime_type,
        )
    except FileTooLarge as error:
        raise NodeFailure(str(error), kind="ResponseSizeError") from None
