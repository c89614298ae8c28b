"""JSON Schemas of what the API takes and gives, for its OpenAPI description."""

from typing import Any

Schema = dict[str, Any]


def obj(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """An object that has these properties, all but the optional ones always."""
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return {**schema, "description": description} if description else schema


def nullable(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """One of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
ANY_OBJECT: Schema = {"type": "object", "additionalProperties": True}
UUID: Schema = {"type": "string", "format": "uuid"}
USER: Schema = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 255}, {"type": "number"}]}
SECONDS: Schema = {"type": "integer", "description": "Seconds since the Unix epoch."}
STATUS: Schema = {
    "type": "string",
    "enum": ["running", "succeeded", "failed", "stopped", "partial-succeeded", "paused"],
}

TRACE_SESSION: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
_CALLBACK_URL: Schema = {
    "anyOf": [{"type": "string", "pattern": "^https?://[^/?#]", "maxLength": 2000}, {"type": "null"}],
    "description": "Where the run detail is posted once the run has ended, signed per Standard Webhooks.",
}

SCHEMAS: dict[str, Schema] = {
    "Error": obj(
        {
            "code": {"type": "string", "description": "What a program may match on; never changes."},
            "message": TEXT,
            "status": INTEGER,
            "task_id": UUID,
            "workflow_run_id": {**UUID, "description": "The run that was accepted though the answer is an error."},
            "data": {
                "type": "array",
                "items": ANY_OBJECT,
                "description": "Of a run whose log is damaged: what can be read of it.",
            },
        },
        optional=("task_id", "workflow_run_id", "data"),
    ),
    "RunRequest": obj(
        {
            "inputs": {
                **ANY_OBJECT,
                "description": "The inputs of the start node, by name. Others are dropped. "
                "No request body may be nested deeper than 256 levels.",
            },
            "user": {
                **USER,
                "description": "Who runs it; chosen by the caller.",
            },
            "response_mode": {
                "anyOf": [{"type": "string", "enum": ["blocking", "streaming", "async"]}, {"type": "null"}],
                "description": "blocking (default): answer at the end. streaming: server-sent events. async: answer "
                "at once with 202.",
            },
            "files": nullable(array(ANY_OBJECT)),
            "callback_url": _CALLBACK_URL,
            "trace_session_id": nullable(TRACE_SESSION),
        },
        optional=("response_mode", "files", "callback_url", "trace_session_id"),
    ),
    "UserRequest": obj({"user": USER}),
    "RetryRequest": obj(
        {
            "user": {
                **USER,
                "description": "Who asks. The new run is the user's who started the first one.",
            },
            "from_node_id": {
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}],
                "description": "The node that runs again, with everything behind it. By default those that failed.",
            },
            "current_version": {
                "type": "boolean",
                "description": "Repeat by the current version of the app. Nodes that it changes run again too, with "
                "everything behind them. By default false: by the version of the run.",
            },
            "response_mode": {
                "anyOf": [{"type": "string", "enum": ["blocking", "streaming", "async"]}, {"type": "null"}],
                "description": "As for a start.",
            },
            "callback_url": _CALLBACK_URL,
        },
        optional=("from_node_id", "current_version", "response_mode", "callback_url"),
    ),
    "Lineage": obj(
        {
            "workflow_run_id": UUID,
            "retry_of": {**nullable(UUID), "description": "The run that this one repeats."},
            "from_node_ids": {**array(TEXT), "description": "The nodes from which it repeats that run."},
            "taken_over": {**array(UUID), "description": "Its node executions that were taken over from that run."},
            "retries": {
                **array(obj({"workflow_run_id": UUID, "status": STATUS, "created_at": SECONDS})),
                "description": "The runs that repeat this one, oldest first.",
            },
        }
    ),
    "RunAnswer": obj(
        {
            "task_id": UUID,
            "workflow_run_id": UUID,
            "data": obj(
                {
                    "id": UUID,
                    "workflow_id": UUID,
                    "status": STATUS,
                    "outputs": ANY_OBJECT,
                    "error": nullable(TEXT),
                    "elapsed_time": NUMBER,
                    "total_tokens": INTEGER,
                    "total_steps": INTEGER,
                    "created_at": SECONDS,
                    "finished_at": nullable(SECONDS),
                }
            ),
        }
    ),
    "RunDetail": obj(
        {
            "id": UUID,
            "workflow_id": UUID,
            "status": STATUS,
            "inputs": {"type": "string", "description": "The inputs and sys.* variables as JSON text."},
            "outputs": ANY_OBJECT,
            "error": nullable(TEXT),
            "total_steps": INTEGER,
            "total_tokens": INTEGER,
            "created_at": SECONDS,
            "finished_at": nullable(SECONDS),
            "elapsed_time": NUMBER,
        }
    ),
    "NodeExecution": obj(
        {
            "id": UUID,
            "node_id": TEXT,
            "node_type": TEXT,
            "title": TEXT,
            "index": {**INTEGER, "description": "Order of start within the run, from 1."},
            "predecessor_node_id": nullable(TEXT),
            "inputs": nullable(ANY_OBJECT),
            "inputs_truncated": BOOLEAN,
            "process_data": nullable(ANY_OBJECT),
            "process_data_truncated": BOOLEAN,
            "outputs": nullable(ANY_OBJECT),
            "outputs_truncated": BOOLEAN,
            "status": {"type": "string", "enum": ["running", "succeeded", "failed", "exception", "stopped", "paused"]},
            "error": nullable(TEXT),
            "elapsed_time": NUMBER,
            "execution_metadata": nullable(ANY_OBJECT),
            "created_at": SECONDS,
            "finished_at": nullable(SECONDS),
            "files": array(ANY_OBJECT),
            "iteration_id": nullable(TEXT),
            "loop_id": nullable(TEXT),
            "attempts": array(
                obj(
                    {
                        "attempt": INTEGER,
                        "error": TEXT,
                        "error_type": TEXT,
                        "finished_at": SECONDS,
                        "reason": {"type": "string", "enum": ["failed", "interrupted"]},
                    }
                )
            ),
            "rounds": array(
                obj({"node_id": TEXT, "kind": {"type": "string", "enum": ["iteration", "loop"]}, "index": INTEGER})
            ),
        }
    ),
    "Event": obj(
        {"id": {**INTEGER, "description": "Position in the log, from 0."}, "event": TEXT, "at": NUMBER},
        description="An event of the run's log; further fields depend on what happened.",
    ),
    "LogPage": obj(
        {
            "page": INTEGER,
            "limit": INTEGER,
            "total": INTEGER,
            "has_more": BOOLEAN,
            "data": array(
                obj(
                    {
                        "id": UUID,
                        "workflow_run": obj(
                            {
                                "id": UUID,
                                "version": TEXT,
                                "status": STATUS,
                                "triggered_from": TEXT,
                                "error": nullable(TEXT),
                                "elapsed_time": NUMBER,
                                "total_tokens": INTEGER,
                                "total_steps": INTEGER,
                                "created_at": SECONDS,
                                "finished_at": nullable(SECONDS),
                                "exceptions_count": INTEGER,
                            }
                        ),
                        "details": {},
                        "created_from": TEXT,
                        "created_by_role": TEXT,
                        "created_by_account": {},
                        "created_by_end_user": obj(
                            {"id": UUID, "type": TEXT, "is_anonymous": BOOLEAN, "session_id": TEXT}
                        ),
                        "created_at": SECONDS,
                    }
                )
            ),
        }
    ),
    "Stopped": obj(
        {"result": TEXT, "stopped": {**BOOLEAN, "description": "Whether the run was still going on."}},
        optional=("stopped",),
    ),
    "Form": obj(
        {
            "form_content": TEXT,
            "inputs": array(ANY_OBJECT),
            "resolved_default_values": ANY_OBJECT,
            "user_actions": array(ANY_OBJECT),
            "expiration_time": SECONDS,
        }
    ),
    "File": obj(
        {
            "id": UUID,
            "reference": {},
            "name": TEXT,
            "size": INTEGER,
            "extension": TEXT,
            "mime_type": TEXT,
            "created_by": UUID,
            "created_at": SECONDS,
            "preview_url": {},
            "source_url": TEXT,
            "original_url": {},
            "user_id": {},
            "tenant_id": UUID,
            "conversation_id": {},
            "file_key": {},
        }
    ),
    "EndUser": obj(
        {
            "id": UUID,
            "tenant_id": UUID,
            "app_id": UUID,
            "type": TEXT,
            "external_user_id": {**TEXT, "description": "The user of the requests."},
            "name": {},
            "is_anonymous": {**BOOLEAN, "description": "Whether the requests had no user."},
            "session_id": TEXT,
            "created_at": {"type": "string", "format": "date-time", "description": "The first use that is known."},
            "updated_at": {"type": "string", "format": "date-time"},
        }
    ),
    "Info": obj({"name": TEXT, "description": TEXT, "tags": array(TEXT), "mode": TEXT, "author_name": TEXT}),
    "Parameters": ANY_OBJECT,
    "Site": ANY_OBJECT,
    "Meta": obj({"tool_icons": ANY_OBJECT}),
    "Index": obj({"welcome": TEXT, "api_version": TEXT, "server_version": TEXT}),
    "Health": obj({"status": TEXT, "version": TEXT, "process": INTEGER}),
}
