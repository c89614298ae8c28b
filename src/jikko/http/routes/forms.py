"""Forms of human-input nodes. Source: Dify 1.15, spec/service-api.md §4.4."""

from starlette.requests import Request
from starlette.responses import Response

from jikko.errors import NotFound
from jikko.http.state import authenticated


async def form(request: Request) -> Response:
    """``GET /v1/form/human_input/{form_token}``."""
    await authenticated(request)
    raise NotFound("Form not found.")
