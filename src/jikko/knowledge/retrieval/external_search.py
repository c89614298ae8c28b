"""External knowledge APIs: registry, and search by Dify's contract. Source: docs/dify-behaviour.md, “External
knowledge”."""

import json
from typing import Any, Final

import msgspec

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.dsl.fields import is_web_address
from jikko.errors import Conflict, InvalidParam, NotFound
from jikko.ids import new_id
from jikko.knowledge.retrieval.ranking import Candidate
from jikko.ports.clock import Clock
from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.knowledge import Hit, MetadataFilter, SearchFailure
from jikko.ports.stores.knowledge_records import Dataset, ExternalApi
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
from jikko.values import Json, encode_json, is_too_deep


class ExternalApis:
    """Use cases of external knowledge APIs."""

    def __init__(self, knowledge: OpenKnowledge, clock: Clock) -> None:
        self._knowledge = knowledge
        self._clock = clock

    async def add(self, name: str, endpoint: str, api_key: str) -> ExternalApi:
        """Register an API, without calling it. Raises ``InvalidParam``: invalid URL; ``Conflict``: name taken."""
        if not is_web_address(endpoint) or not name:
            raise InvalidParam("An external knowledge API has a name, and an address such as https://host/path.")
        api = ExternalApi(id=new_id(), name=name, endpoint=endpoint, api_key=api_key, created_at=self._clock())
        if not await (await self._knowledge.made()).datasets.add_external_api(api):
            raise Conflict(f"There is an external knowledge API called {name!r} already.")
        return api

    async def all(self) -> list[ExternalApi]:
        """Return all, oldest first."""
        stores = await self._knowledge.existing()
        return [] if stores is None else await stores.datasets.external_apis()

    async def delete(self, name_or_id: str) -> None:
        """Delete one. Its datasets find nothing from then on. Raises ``NotFound``."""
        stores = await self._knowledge.made()
        for each in await stores.datasets.external_apis():
            if name_or_id in (each.id, each.name):
                await stores.datasets.delete_external_api(each.id)
                return
        raise NotFound(f"No external knowledge API {name_or_id!r}.")


_MAX_BYTES: Final = 10 << 20
_MAX_RECORDS: Final = 1_000
_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, write=60.0, total=120.0)
_TOP_K: Final = 4
"""Default of datasets."""


class ExternalKnowledge:
    """Client of external knowledge APIs, subject to the address policy."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def search(
        self, api: ExternalApi, dataset: Dataset, query: str, conditions: MetadataFilter | None, app_id: str
    ) -> list[Candidate]:
        """Return the API's results, best first. Raises ``SearchFailure``: no answer, or an invalid one."""
        setting = dataset.external_retrieval_model or {}
        threshold = setting.get("score_threshold") if setting.get("score_threshold_enabled") else None
        asked = {
            "retrieval_setting": {"top_k": setting.get("top_k") or _TOP_K, "score_threshold": threshold or 0.0},
            "query": query,
            "knowledge_id": dataset.external_knowledge_id,
            "metadata_condition": _contract(conditions),
        }
        request = OutgoingRequest(
            method="POST",
            url=f"{api.endpoint.rstrip('/')}/retrieval",
            headers=(("Content-Type", "application/json"), ("Authorization", f"Bearer {api.api_key}")),
            body=encode_json(asked),
            timeouts=_TIMEOUTS,
            max_bytes=_MAX_BYTES,
            app_id=app_id,
        )
        try:
            response = await self._http.send(request)
        except HttpFailure as failure:
            raise _failed(api, str(failure).removesuffix(".")) from None
        records = await _records(api, response)
        return [_candidate(dataset, record, api) for record in records]


def _contract(conditions: MetadataFilter | None) -> Json:
    if conditions is None:
        return None
    return {
        "logical_operator": "or" if conditions.any_of_them else "and",
        "conditions": [
            {name: each.get(name) for name in ("name", "comparison_operator", "value")}
            for each in conditions.conditions
        ],
    }


async def _records(api: ExternalApi, response: HttpResponse) -> list[Any]:
    try:
        answer = await decode_json(response.body)
    except TooManyElements as error:
        raise _failed(api, f"its answer has {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if response.status != 200:
        message = answer.get("error_msg") if isinstance(answer, dict) else None
        reason = f"it answered {response.status}" + (f": {message}" if isinstance(message, str) and message else "")
        raise _failed(api, reason[:1000])
    records = answer.get("records") if isinstance(answer, dict) else None
    if not isinstance(records, list) or is_too_deep(answer):
        raise _failed(api, "its answer is not a JSON object with a list of records")
    return records[:_MAX_RECORDS]


def _candidate(dataset: Dataset, record: Any, api: ExternalApi) -> Candidate:
    if not isinstance(record, dict) or not isinstance(record.get("content"), str):
        raise _failed(api, "a record of its answer has no content")
    score = record.get("score")
    if score is None:
        score = 0.0
    if not isinstance(score, (int, float)) or isinstance(score, bool) or not -1e9 < score < 1e9:
        raise _failed(api, f"a record of its answer has the score {json.dumps(score)[:100]}")
    title = record.get("title")
    title = title if isinstance(title, str) else ""
    metadata = record.get("metadata")
    # Dify finds nothing if one record lacks metadata.
    metadata = metadata if isinstance(metadata, dict) else {}
    named = metadata.get("document_id")
    hit = Hit(
        dataset_id=dataset.id,
        dataset_name=dataset.name,
        document_id=named if isinstance(named, str) and named else title,
        document_name=title,
        data_source_type="external",
        content=record["content"],
        score=float(score),
        metadata=metadata,
    )
    return Candidate(hit, None, float(score))


def _failed(api: ExternalApi, reason: str) -> SearchFailure:
    return SearchFailure(f"The external knowledge API {api.name!r} failed: {reason}.", kind="ExternalKnowledgeError")
