"""Annotations. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from jikko.dify.bodies import timed_body_from
from jikko.errors import InvalidParam, WrongAppMode
from jikko.http.operation import AppRoute
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.ports.stores.annotation_store import Annotation, JobStatus
from jikko.repositories.app_store import App
from jikko.values import Uuid

_MAX_LIMIT: Final = 100
"""Largest page."""
_Route: Final = partial(AppRoute, tag="Annotations")
_ANNOTATION: Final = ("annotation_id",)
_CHATS: Final = "Annotations require a chat app: the app has another mode."


class AnnotationFilter(Struct):
    page: Annotated[int, Meta(ge=1, description="Default 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Default 20; capped at 100.")] = 20
    keyword: Annotated[str, Meta(description="Part of question or answer.")] = ""


class AnnotationRequest(Struct):
    """Question with its prepared answer."""

    question: Annotated[str, Meta(extra=must("must be a string"))]
    answer: Annotated[str, Meta(extra=must("must be a string"))]


class AnnotationItem(Struct):
    id: Uuid
    question: str
    answer: str
    hit_count: Annotated[int, Meta(description="Number of times it was the answer.")]
    created_at: int


class AnnotationPage(Struct):
    """Page of annotations, newest first."""

    data: list[AnnotationItem]
    has_more: Annotated[bool, Meta(description="Whether the page is full.")]
    limit: int
    total: int
    page: int


class ReplyRequest(Struct):
    """Search settings of annotation replies."""

    score_threshold: Annotated[
        float, Meta(description="Minimum similarity, from 0 to 1.", extra=must("must be a number"))
    ]
    embedding_provider_name: Annotated[str, Meta(extra=must("must be a string"))]
    embedding_model_name: Annotated[str, Meta(extra=must("must be a string"))]


class ReplyBegun(Struct):
    """Job that enables or disables annotation replies."""

    job_id: Uuid
    job_status: JobStatus


class ReplyStatus(ReplyBegun):
    error_msg: str


@_Route("GET", "/v1/apps/annotations", (400,))
async def list_annotations(request: Request, app: App, asked: AnnotationFilter) -> AnnotationPage:
    """List annotations, newest first.

    For apps of every mode.
    """
    limit = min(asked.limit, _MAX_LIMIT)
    found, total = await request.api.chat.annotations.page(app.id, asked.keyword, asked.page, limit)
    items = [_item(annotation) for annotation in found]
    return AnnotationPage(items, len(items) == limit, asked.limit, total, asked.page)


@_Route("POST", "/v1/apps/annotations", (503,), status=201)
async def create_annotation(request: Request, app: App, body: AnnotationRequest) -> AnnotationItem:
    """Add an annotation."""
    require_annotated(app)
    return _item(await request.api.chat.annotations.create(app.id, body.question, body.answer))


@_Route("PUT", "/v1/apps/annotations/{annotation_id}", (404, 503), ids=_ANNOTATION)
async def change_annotation(request: Request, app: App, body: AnnotationRequest) -> AnnotationItem:
    """Change an annotation."""
    id_ = request.path_params["annotation_id"]
    return _item(await request.api.chat.annotations.change(app.id, id_, body.question, body.answer))


@_Route("DELETE", "/v1/apps/annotations/{annotation_id}", (400, 404, 503), ids=_ANNOTATION)
async def delete_annotation(request: Request, app: App) -> None:
    """Delete an annotation."""
    await request.api.chat.annotations.delete(app.id, request.path_params["annotation_id"])


@_Route("POST", "/v1/apps/annotation-reply/{action}", (503,), body=ReplyRequest)
async def reply(request: Request, app: App) -> ReplyBegun:
    """Enable or disable annotation replies (action: enable, disable).

    The body is checked for both actions.
    """
    action = _action(request)
    body = checked(await request.json(), ReplyRequest)
    require_annotated(app)
    annotations = request.api.chat.annotations
    if action == "disable":
        return ReplyBegun((await annotations.end_replies(app.id)).id, "waiting")
    if not 0 <= body.score_threshold <= 1:
        raise InvalidParam("score_threshold: must lie between 0 and 1")
    if not body.embedding_provider_name or not body.embedding_model_name:
        raise InvalidParam("embedding_provider_name, embedding_model_name: must not be empty")
    job = await annotations.reply(app.id, body.score_threshold, body.embedding_provider_name, body.embedding_model_name)
    return ReplyBegun(job.id, job.status)


@_Route("GET", "/v1/apps/annotation-reply/{action}/status/{job_id}", (400, 404), ids=("job_id",))
async def reply_status(request: Request, app: App) -> ReplyStatus:
    """Read the status of an enable or disable job."""
    replying = _action(request) == "enable"
    job = await request.api.chat.annotations.job(app.id, request.path_params["job_id"], replying=replying)
    return ReplyStatus(job.id, job.status, job.error)


def _action(request: Request) -> Literal["enable", "disable"]:
    match request.path_params["action"]:
        case "enable":
            return "enable"
        case "disable":
            return "disable"
    raise InvalidParam("action: must be 'enable' or 'disable'")


def require_annotated(app: App) -> None:
    """Raise ``WrongAppMode`` for workflow apps, which do not have annotations."""
    if app.mode == "workflow":
        raise WrongAppMode(_CHATS, code="app_unavailable")


def _item(annotation: Annotation) -> AnnotationItem:
    return timed_body_from(annotation, AnnotationItem, hit_count=annotation.hits)
