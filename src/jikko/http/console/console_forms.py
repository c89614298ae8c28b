"""Open forms of runs."""

from typing import Annotated

from msgspec import Meta, Struct

from jikko.dify.bodies import body_from
from jikko.errors import NotFound, TooLate
from jikko.http.console.console_queries import id_in
from jikko.http.console.console_runs import record_of
from jikko.http.console.run_bodies import RunApp, icon_of
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.http.routes.form_routes import FormSubmitted
from jikko.values import Json, Moment, Uuid


class OpenForm(Struct):
    """Form that a run waits for."""

    form_id: Uuid
    run_id: Uuid
    app: RunApp
    node_id: str
    title: str
    requested_at: Moment
    expires_at: Moment
    form_content: str
    inputs: list[dict[str, Json]]
    actions: list[dict[str, Json]]
    resolved_default_values: dict[str, Json]


class FormAnswer(Struct):
    """Form, filled in."""

    action: Annotated[str, Meta(extra=must("must be the id of an action"))]
    inputs: Annotated[dict[str, Json], Meta(extra=must("must be an object"))] = {}


class FormFilter(Struct):
    """Filter of open forms."""

    run: Annotated[str, Meta(description="ID of a run. Default: of the newest 200 runs that wait.")] = ""


@VisitorRoute("GET", "forms", (404, 503), scope="runs:read")
async def list_forms(call: ConsoleRequest, asked: FormFilter) -> list[OpenForm]:
    """List open forms of all apps or of a run, by run, newest first."""
    only = await call.request.api.runs.records.any_record(asked.run.lower()) if asked.run else None
    found = []
    for run, form in await call.console.runs.open_forms(only):
        requested, shown = form.requested, form.requested.form
        app = RunApp(run.record.identity.app_id, run.app_name, None if run.app is None else icon_of(run.app))
        found.append(
            body_from(
                requested,
                OpenForm,
                run_id=run.record.identity.run_id,
                app=app,
                requested_at=requested.at,
                form_content=shown.get("form_content") or "",
                inputs=shown.get("inputs") or [],
                actions=shown.get("actions") or [],
                resolved_default_values=shown.get("resolved_default_values") or {},
            )
        )
    return found


@VisitorRoute("POST", "runs/{run_id}/forms/{form_id}", (404, 412, 429, 503), scope="runs:write")
async def answer_form(call: ConsoleRequest, body: FormAnswer) -> FormSubmitted:
    """Submit a form, even one without a URL, which resumes the run."""
    record, form_id = await record_of(call), id_in(call, "form")
    forms = call.request.api.runs.forms
    form = next((form for form in await forms.open_forms(record) if form.requested.form_id == form_id), None)
    if form is None:
        known = {form.requested.form_id for form in await forms.all_forms(record)}
        if form_id in known:
            raise TooLate(f"The form was answered already, or has expired: {form_id}.", code="form_closed")
        raise NotFound(f"The run has no form {form_id!r}.")
    await forms.submit_form(form, body.action, body.inputs, call.request.base_url)
    call.note(
        "answered form",
        f"{form_id} of run {record.identity.run_id}",
        app=record.identity.app_id,
        after={"action": body.action},
    )
    return FormSubmitted()
