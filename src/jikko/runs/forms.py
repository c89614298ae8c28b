"""Forms of paused runs: reads, submits and expires them.

Source: docs/dify-behaviour.md, “Human-input forms”, “Stopping, pausing, resuming”.
"""

import contextlib
import hmac
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from jikko.concurrency.alarm import Alarm
from jikko.engine.event_factory import timed_out
from jikko.errors import InvalidFormData, InvalidParam, JikkoError, NotFound, TooLate
from jikko.events import Event, FormClosed, FormRequested
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.run_inputs import form_variable
from jikko.nodes.flow.human_input import rendered, run_of_token
from jikko.ports.clock import Clock
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunForms, RunRecord
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.runs.runs import Runs

log = logging.getLogger(__name__)


class RunForm(Struct, frozen=True):
    """Form, open or closed."""

    record: RunRecord
    requested: FormRequested
    closed: FormClosed | None


class Forms:
    def __init__(self, *, runs: "Runs", store: RunStore, file_inputs: FileInputs, clock: Clock) -> None:
        self._runs = runs
        self._store = store
        self._file_inputs = file_inputs
        self._clock = clock
        self.alarm = Alarm(clock)
        """Set when a run pauses that will continue by itself."""

    async def open_form(self, app_id: str, token: str) -> RunForm:
        """Return a form that can be submitted.

        Raises:
            NotFound: No run of the app has such a form.
            TooLate: It was submitted or has expired, or its run has ended.
        """
        form = await self._find(app_id, token)
        self._require_open(form)
        return form

    def _require_open(self, form: RunForm) -> None:
        if form.closed is not None and form.closed.action_id is not None:
            raise _submitted(form)
        expired = form.closed is not None or self._clock() >= form.requested.expires_at
        if expired or not form.record.is_open:
            message = f"This form has expired, form_id={form.requested.form_id}"
            raise TooLate(message, code="human_input_form_expired")

    async def submit(self, app_id: str, token: str, action: str, inputs: Mapping[str, Json], base_url: str) -> None:
        """Submit a form, so that its run continues. Durable on return.

        Raises:
            NotFound, TooLate: See ``open_form``.
            InvalidFormData: An unknown action, or an input is missing or wrong. The form stays open.
        """
        await self.submit_form(await self.open_form(app_id, token), action, inputs, base_url)

    async def open_forms(self, record: RunRecord) -> list[RunForm]:
        """Return a run's open forms, in order of request. Raises ``LogDamaged``: the run's log cannot be read."""
        if record.status != "paused":
            return []
        return [form for form in await self.all_forms(record) if form.closed is None]

    async def submit_form(self, form: RunForm, action: str, inputs: Mapping[str, Json], base_url: str = "") -> None:
        """Submit an open form, even one closed to clients. Raises ``TooLate``, ``InvalidFormData``: see ``submit``."""
        requested = form.requested
        chosen = next((entry for entry in requested.form["actions"] if entry["id"] == action), None)
        if chosen is None:
            raise InvalidFormData(f"Invalid action: {action}")
        data = await self._filled(form, inputs, base_url)
        await self._close(
            form,
            FormClosed(
                at=self._clock(),
                execution_id=requested.execution_id,
                node_id=requested.node_id,
                title=requested.title,
                form_id=requested.form_id,
                action_id=action,
                action_text=chosen["title"],
                rendered_content=rendered(requested.form["form_content"], data),
                data=data,
                expiration_time=requested.form["expiration_time"],
            ),
        )

    async def watch(self) -> None:
        """Close expired forms, until cancelled or until that fails."""
        while True:
            now = self._clock()
            await self.close_expired()
            await self.alarm.wait(await self._store.next_wake(now))

    async def close_expired(self) -> int:
        """Close the expired forms of paused runs. Returns their number.

        A run that cannot be read, or cannot continue, does not delay others.
        """
        now = self._clock()
        count = 0
        last: RunRecord | None = None
        while records := await self._store.due_runs(now, after=last):
            for last in records:
                try:
                    count += await self._close_expired(last, now)
                except JikkoError as error:
                    log.error("forms of run %s cannot be closed: %s", last.identity.run_id, error)
        return count

    async def _close_expired(self, record: RunRecord, now: float) -> int:
        count = 0
        for form in await self.all_forms(record):
            if form.closed is None and form.requested.expires_at <= now:
                with contextlib.suppress(TooLate):
                    await self._close(form, timed_out(form.requested, now))
                    count += 1
        return count

    async def _close(self, form: RunForm, closed: FormClosed) -> None:
        run_id = form.record.identity.run_id
        if await self._runs.control.submit(run_id, closed):
            return
        # Submitted by another one; or the run was stopped, or could not continue.
        record = await self._store.record(run_id)
        for now in [] if record is None else await self.all_forms(record):
            if now.requested.form_id == form.requested.form_id:
                self._require_open(now)
        raise _submitted(form)

    async def _find(self, app_id: str, token: str) -> RunForm:
        run_id = run_of_token(token)
        record = None if run_id is None else await self._store.record(run_id, app_id)
        if record is not None:
            for form in await self.all_forms(record):
                if hmac.compare_digest(str(form.requested.form.get("form_token")).encode(), token.encode()):
                    return form
        raise NotFound("Form not found.")

    async def all_forms(self, record: RunRecord) -> list[RunForm]:
        """Return a run's forms, open or closed, in order of request. Raises ``LogDamaged``: see ``open_forms``."""
        return forms_of(record, await self._runs.control.events(record))

    async def _filled(self, form: RunForm, inputs: Mapping[str, Json], base_url: str) -> dict[str, Json]:
        definitions = form.requested.form["inputs"]
        names = [definition["output_variable_name"] for definition in definitions]
        missing = [name for name in names if inputs.get(name) is None]
        if missing:
            raise InvalidFormData(f"Missing required inputs: {', '.join(missing)}")
        identity = form.record.identity
        asker: Any = {"app_id": identity.app_id, "end_user_id": identity.end_user_id, "base_url": base_url}
        return {
            name: await self._value(definition, name, inputs[name], asker)
            for name, definition in zip(names, definitions, strict=True)
        }

    async def _value(self, definition: dict[str, Any], name: str, value: Json, asker: Any) -> Json:
        match definition["type"]:
            case "file" | "file-list" as kind:
                variable = form_variable(definition, name)
                read = self._file_inputs.file if kind == "file" else self._file_inputs.file_list
                try:
                    return await read(value, variable, **asker)
                except InvalidParam as error:
                    raise InvalidFormData(str(error)) from None
            case kind:
                if not isinstance(value, str):
                    raise InvalidFormData(f"Input {name} must be a string")
                source = definition.get("option_source") or {}
                if kind == "select" and source.get("type") == "constant" and value not in source.get("value", []):
                    raise InvalidFormData(f"Invalid value for select input {name}: {value}")
                return value


def _submitted(form: RunForm) -> TooLate:
    message = f"This form has already been submitted by another user, form_id={form.requested.form_id}"
    return TooLate(message, code="human_input_form_submitted")


def forms_of(record: RunRecord, log: list[Event]) -> list[RunForm]:
    """Return a run's forms, in the order of their requests."""
    forms = RunForms.of(log)
    return [RunForm(record, form, forms.closed.get(execution_id)) for execution_id, form in forms.requested.items()]
