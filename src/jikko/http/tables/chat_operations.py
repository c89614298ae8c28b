"""The operations around chats: what may be asked next, annotations, speech; and completions, which no app has."""

from typing import Final

from jikko.http.operation import Operation, Schema
from jikko.http.routes import annotations, audio, completions
from jikko.http.routes.conversations import suggestions

_ANNOTATION: Final = "/v1/apps/annotations/{annotation_id}"
_REPLY: Final = "/v1/apps/annotation-reply/{action}"
_REFUSED: Final = (400, 401)
_WITH_BODY: Final = (400, 401, 413, 415)
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 1}
_SOME_USER: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 255}
_ANNOTATIONS: Final = "Annotations"
_AUDIO: Final = "Audio"
_COMPLETIONS: Final = "Completion apps"

CHAT_OPERATIONS: Final = (
    Operation(
        "GET",
        "/v1/messages/{message_id}/suggested",
        suggestions.suggested_questions,
        "Questions that may follow",
        {200: suggestions.SuggestedQuestions},
        (400, 401, 404),
        tag="Chat apps",
        query=(("user*", _SOME_USER, "Whose message it is."),),
        ids=("message_id",),
    ),
    Operation(
        "GET",
        "/v1/apps/annotations",
        annotations.list_annotations,
        "List annotations, newest first",
        {200: annotations.AnnotationPage},
        _REFUSED,
        tag=_ANNOTATIONS,
        query=(
            ("page", _WHOLE, "Default 1."),
            ("limit", _WHOLE, "Default 20; 100 at most count."),
            ("keyword", {"type": "string"}, "A part of question or answer."),
        ),
    ),
    Operation(
        "POST",
        "/v1/apps/annotations",
        annotations.create_annotation,
        "Keep a question and its answer",
        {201: annotations.AnnotationItem},
        (*_WITH_BODY, 503),
        tag=_ANNOTATIONS,
        body=annotations.AnnotationRequest,
    ),
    Operation(
        "PUT",
        _ANNOTATION,
        annotations.change_annotation,
        "Change a question and its answer",
        {200: annotations.AnnotationItem},
        (*_WITH_BODY, 404, 503),
        tag=_ANNOTATIONS,
        body=annotations.AnnotationRequest,
        ids=("annotation_id",),
    ),
    Operation(
        "DELETE",
        _ANNOTATION,
        annotations.delete_annotation,
        "Remove an annotation",
        {204: "application/json"},
        (400, 401, 404, 503),
        tag=_ANNOTATIONS,
        ids=("annotation_id",),
    ),
    Operation(
        "POST",
        _REPLY,
        annotations.reply,
        "Answer by annotations from now on, or no more (action: enable, disable)",
        {200: annotations.ReplyBegun},
        (*_WITH_BODY, 503),
        tag=_ANNOTATIONS,
        body=annotations.ReplyRequest,
    ),
    Operation(
        "GET",
        f"{_REPLY}/status/{{job_id}}",
        annotations.reply_status,
        "How far that is",
        {200: annotations.ReplyStatus},
        (*_REFUSED, 404),
        tag=_ANNOTATIONS,
        ids=("job_id",),
    ),
    Operation(
        "POST",
        "/v1/audio-to-text",
        audio.audio_to_text,
        "Make text of a recording",
        {200: audio.Transcript},
        (400, 401, 413, 415, 429),
        tag=_AUDIO,
        body=audio.AudioForm,
        body_media_type="multipart/form-data",
    ),
    Operation(
        "POST",
        "/v1/text-to-audio",
        audio.text_to_audio,
        "Have a text, or the answer of a message, spoken",
        {200: "audio/mpeg"},
        (400, 401, 404, 413, 415, 429),
        tag=_AUDIO,
        body=audio.SpeechRequest,
    ),
    Operation(
        "POST",
        "/v1/completion-messages",
        completions.complete,
        "Completion; refused",
        {},
        _WITH_BODY,
        tag=_COMPLETIONS,
    ),
    Operation(
        "POST",
        "/v1/completion-messages/{task_id}/stop",
        completions.stop_completion,
        "Completion; refused",
        {},
        _WITH_BODY,
        tag=_COMPLETIONS,
    ),
)
