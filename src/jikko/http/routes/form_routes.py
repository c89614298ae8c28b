"""Forms of human-input nodes. Source: docs/dify-behaviour.md, “Human-input forms”."""

from functools import partial
from typing import Annotated, Final

from msgspec import Meta, Struct

from jikko.http.operation import AppRoute
from jikko.http.request_fields import AnyUser, checked, must, user_of
from jikko.http.requests import Request
from jikko.repositories.app_store import App
from jikko.values import Json, Seconds


class Form(Struct):
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


_Route: Final = partial(AppRoute, path="/v1/form/human_input/{form_token}", errors=(404, 412, 503), tag="Human Input")


@_Route("GET")
async def read_form(request: Request, app: App) -> Form:
    """Read a form that a run waits for."""
    form = (await request.api.runs.forms.open_form(app.id, request.path_params["form_token"])).requested.form
    names = ("form_content", "inputs", "resolved_default_values", "actions", "expiration_time")
    return Form(*(form[name] for name in names))


@_Route("POST", body=FormSubmission)
async def submit_form(request: Request, app: App) -> FormSubmitted:
    """Submit a form, which resumes the run."""
    body = await request.json()
    user_of(body)
    form, token = checked(body, FormSubmission), request.path_params["form_token"]
    await request.api.runs.forms.submit(app.id, token, form.action, form.inputs, request.base_url)
    return FormSubmitted()
