"""Checks of knowledge-retrieval nodes, without searching."""

from collections.abc import Iterator

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import NodeEntry
from jikko.forecast.known_installation import Installation
from jikko.forecast.known_variables import KnownVariables
from jikko.ids import is_uuid
from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval

_TEXTS = ("string", "secret")
"""Types of string variables."""
_SHOWN = 60
"""Characters of an id shown in messages."""


def diagnose_retrieval(
    node: KnowledgeRetrieval, entry: NodeEntry, known: KnownVariables, installation: Installation
) -> Iterator[Diagnostic]:
    """Yield invalid queries, missing datasets, unavailable models and missing settings."""
    yield from _of_variables(node, entry, known)
    if not node.query:
        return
    if missing := node.missing_setting:
        params, remedy = {"name": missing}, Phrase("remedy.save_settings")
        yield Diagnostic("knowledge.no_setting", params, where=entry.where, severity="will_fail", remedy=remedy)
        return
    for place, dataset_id in enumerate(node.dataset_ids):
        if dataset_id.lower() in installation.datasets or dataset_id in installation.datasets:
            continue
        code = "remedy.map_dataset" if is_uuid(dataset_id) else "remedy.map_workspace"
        short = dataset_id if len(dataset_id) <= _SHOWN else f"{dataset_id[:_SHOWN]}…"
        yield Diagnostic(
            "knowledge.no_dataset",
            {"dataset": short},
            where=f"{entry.where}.dataset_ids[{place}]",
            severity="warning",
            remedy=Phrase(code, {"dataset": dataset_id}),
        )
    yield from _of_models(node, entry, installation)


def _of_variables(node: KnowledgeRetrieval, entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    kind = known.kind(node.query)
    if node.query and (known.is_missing(node.query) or (kind is not None and kind.type not in _TEXTS)):
        where = f"{entry.where}.query_variable_selector"
        severity: Severity = "will_fail" if kind is None or kind.is_given else "may_fail"
        yield Diagnostic("variable.query", where=where, severity=severity, remedy=Phrase("remedy.choose_text"))
    if node.attachments and known.is_missing(node.attachments):
        where = f"{entry.where}.query_attachment_selector"
        params = {"name": ".".join(node.attachments)}
        yield Diagnostic("variable.attachments", params, where=where, severity="will_fail")


def _of_models(node: KnowledgeRetrieval, entry: NodeEntry, installation: Installation) -> Iterator[Diagnostic]:
    if installation.fake_models:
        return
    needed: list[tuple[str, str]] = []
    ranking = node.ranking
    if ranking is not None and not node.single and ranking.enabled and ranking.mode == "reranking_model":
        needed.append(("multiple_retrieval_config.reranking_model", ranking.provider))
    if node.single and node.chooser is not None and len(node.dataset_ids) > 1:
        needed.append(("single_retrieval_config.model", node.chooser.provider))
    for where, provider in needed:
        if provider and installation.providers.find(provider) is None:
            line = installation.providers.line_to_add(provider).strip()
            yield Diagnostic(
                "model.ranking",
                {"provider": provider},
                where=f"{entry.where}.{where}",
                severity="may_fail",
                remedy=Phrase("remedy.add_to_providers", {"line": line}),
            )
