"""Forms of human-input nodes. Source: Dify 1.15, spec/service-api.md §4.4."""

from starlette.requests import Request
from starlette.responses import Response

from jikko.dify import events as wire
from jikko.errors import InvalidParam
from jikko.http.api import authenticated, base_url_of
from jikko.http.errors import JsonResponse
from jikko.http.requests import read_json, user_of


async def read_form(request: Request) -> Response:
    """``GET /v1/form/human_input/{form_token}``: what is to be filled in."""
    api, app = await authenticated(request)
    form = (await api.forms.open_form(app.id, request.path_params["form_token"])).requested.form
    return JsonResponse(
        wire.encode(
            {
                "form_content": form["form_content"],
                "inputs": form["inputs"],
                "resolved_default_values": form["resolved_default_values"],
                "user_actions": form["actions"],
                "expiration_time": form["expiration_time"],
            }
        )
    )


async def submit_form(request: Request) -> Response:
    """``POST /v1/form/human_input/{form_token}``: fill it in; the run goes on by itself."""
    api, app = await authenticated(request)
    body = await read_json(request, api.max_body)
    user_of(body)
    action, inputs = body.get("action"), body.get("inputs")
    problems = []
    if not isinstance(action, str):
        problems.append("action: is required and must be a string")
    if not isinstance(inputs, dict):
        problems.append("inputs: is required and must be an object")
    if not isinstance(action, str) or not isinstance(inputs, dict):
        raise InvalidParam("; ".join(problems))
    await api.forms.submit(app.id, request.path_params["form_token"], action, inputs, base_url_of(api, request))
    return JsonResponse(wire.encode({}))
