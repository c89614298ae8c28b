"""Factory of conversations: turns, and hooks on their texts."""

from typing import TYPE_CHECKING

from msgspec import Struct

from jikko.apps.versions import Workflows
from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.assemble.build_models import make_embedder, make_moderator, make_speech
from jikko.assemble.stores import Stores
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.conversations.annotations import AnnotationReplies, Annotations
from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.hooks import Hooks
from jikko.conversations.moderation import Moderation
from jikko.conversations.titles import Titles
from jikko.conversations.turns import Turns
from jikko.maintenance.background_indexing import AnnotationIndexing
from jikko.ports.cluster import Cluster, JobDue
from jikko.ports.models import DefaultModels
from jikko.ports.node_ports import NodePorts
from jikko.ports.other_models import Embedder
from jikko.providers.config import Providers
from jikko.runs.runs import Runs

if TYPE_CHECKING:
    from jikko.apps.speech import AppSpeech
    from jikko.conversations.suggestions import Suggestions


class ChatHooks(Struct, frozen=True):
    """Hooks on conversations' texts; runs are built with them."""

    hooks: Hooks
    titles: Titles
    embedder: Embedder


class ChatServices(Struct, frozen=True):
    turns: Turns
    annotations: Annotations
    annotation_indexing: AnnotationIndexing
    suggestions: "Suggestions"
    speech: "AppSpeech"
    titles: Titles


def build_hooks(
    context: BuildContext, stores: Stores, ports: NodePorts, providers: Providers, defaults: DefaultModels
) -> ChatHooks:
    """Build moderation, annotation replies and titles. ``defaults``: Models called where none is named."""
    embedder = make_embedder(ports.models)
    titles = Titles(stores.conversations, ports.models, defaults, context.clock)
    context.stack.step("titles", titles.close)
    calls = ExtensionCalls(providers.extensions, ports.http)
    moderation = Moderation(calls, make_moderator(ports.models), defaults)
    annotations = AnnotationReplies(stores.annotations, embedder)
    hooks = Hooks(
        replies=annotations.state,
        policies=(moderation, annotations, lazy_proxy(lambda: lazy.ExternalData(calls))),
        guard=moderation.guard,
        first_turn=titles.first_turn,
        title=titles.title,
    )
    return ChatHooks(hooks, titles, embedder)


def build_chat(
    context: BuildContext,
    stores: Stores,
    workflows: Workflows,
    ports: NodePorts,
    defaults: DefaultModels,
    *,
    runs: Runs,
    hooks: ChatHooks,
    cluster: Cluster,
) -> ChatServices:
    clock = context.clock
    turns = Turns(
        store=stores.conversations, runs=runs, workflows=workflows, models=ports.models, hooks=hooks.hooks, clock=clock
    )
    return ChatServices(
        turns,
        Annotations(stores.annotations, clock, lambda: cluster.hint(JobDue(job="annotations", at=clock()))),
        AnnotationIndexing(stores.annotations, hooks.embedder),
        lazy_proxy(lambda: lazy.Suggestions(stores.conversations, workflows, ports.models, defaults)),
        lazy_proxy(lambda: lazy.AppSpeech(workflows, make_speech(ports.models), defaults)),
        hooks.titles,
    )
