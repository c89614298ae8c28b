"""Forms of human-input nodes. Source: docs/dify-behaviour.md, “Human-input forms”."""

from typing import Annotated

from msgspec import Meta, Struct

from jikko.http.auth import authenticated
from jikko.http.operation import Route
from jikko.http.request_fields import AnyUser, checked, must, user_of
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, json_response
from jikko.values import Json, Seconds


class Form(Struct):
    """Form to be filled in."""

    form_content: str
    inputs: list[dict[str, Json]]
    resolved_default_values: dict[str, Json]
    user_actions: list[dict[str, Json]]
    expiration_time: Seconds


class FormSubmission(Struct):
    """Form filled in by an end user."""

    action: Annotated[str, Meta(extra=must("must be a string"))]
    inputs: Annotated[dict[str, Json], Meta(extra=must("must be an object"))]
    user: AnyUser


class FormSubmitted(Struct):
    """Empty answer."""


@Route("GET", "/v1/form/human_input/{form_token}", {200: Form}, (404, 412, 503), tag="Human Input")
async def read_form(request: Request) -> SendableResponse:
    """Read a form that a run waits for."""
    app = await authenticated(request)
    form = (await request.api.runs.forms.open_form(app.id, request.path_params["form_token"])).requested.form
    return json_response(
        Form(
            form["form_content"],
            form["inputs"],
            form["resolved_default_values"],
            form["actions"],
            form["expiration_time"],
        )
    )


@Route(
    "POST",
    "/v1/form/human_input/{form_token}",
    {200: FormSubmitted},
    (404, 412, 503),
    tag="Human Input",
    body=FormSubmission,
)
async def submit_form(request: Request) -> SendableResponse:
    """Submit a form, which resumes the run."""
    app = await authenticated(request)
    body = await request.json()
    user_of(body)
    form, token = checked(body, FormSubmission), request.path_params["form_token"]
    await request.api.runs.forms.submit(app.id, token, form.action, form.inputs, request.base_url)
    return json_response(FormSubmitted())
