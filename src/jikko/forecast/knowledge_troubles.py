"""What is wrong with a knowledge-retrieval node, as far as can be known without searching."""

from collections.abc import Iterator

from jikko.dsl.document import NodeEntry
from jikko.forecast.finding import Trouble
from jikko.forecast.installation import Installation
from jikko.forecast.known_variables import KnownVariables
from jikko.ids import is_uuid
from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval

_TEXTS = ("string", "secret")
"""Types of variables that are texts."""
_SHOWN = 60
"""Characters of an id that a message shows."""


def troubles_of_retrieval(
    node: KnowledgeRetrieval, entry: NodeEntry, known: KnownVariables, installation: Installation
) -> Iterator[Trouble]:
    """A query that is none, datasets that are not here, models that cannot be called, and settings that are missing."""
    yield from _of_variables(node, entry, known)
    if not node.query:
        return
    if (missing := node.missing_setting) is not None:
        yield Trouble("knowledge", entry.where, missing, "open the node's settings and save them")
        return
    for place, dataset_id in enumerate(node.dataset_ids):
        if dataset_id.lower() in installation.datasets or dataset_id in installation.datasets:
            continue
        hint = f"say which dataset of here it is: jikko knowledge map '{dataset_id}' DATASET"
        if not is_uuid(dataset_id):
            hint += "; or whose encrypted ids to understand: jikko knowledge map --workspace ID"
        short = dataset_id if len(dataset_id) <= _SHOWN else f"{dataset_id[:_SHOWN]}…"
        yield Trouble(
            "knowledge",
            f"{entry.where}.dataset_ids[{place}]",
            f"the dataset {short} is not here, so that the node finds nothing in it",
            hint,
            harmless=True,
        )
    yield from _of_models(node, entry, installation)


def _of_variables(node: KnowledgeRetrieval, entry: NodeEntry, known: KnownVariables) -> Iterator[Trouble]:
    kind = known.kind(node.query)
    if node.query and (known.is_missing(node.query) or (kind is not None and kind.type not in _TEXTS)):
        where = f"{entry.where}.query_variable_selector"
        is_sure = kind is None or kind.is_given
        yield Trouble("variable", where, "Query variable is not string type", "choose a text that there is", is_sure)
    if node.attachments and known.is_missing(node.attachments):
        where = f"{entry.where}.query_attachment_selector"
        yield Trouble("variable", where, f"The attachments {'.'.join(node.attachments)} do not exist")


def _of_models(node: KnowledgeRetrieval, entry: NodeEntry, installation: Installation) -> Iterator[Trouble]:
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
            yield Trouble(
                "model",
                f"{entry.where}.{where}",
                f"nothing says how to reach the provider {provider}",
                f"add to the providers file: {line}",
                certain=False,
            )
