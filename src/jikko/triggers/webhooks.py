"""Webhooks: from a call that was read to a run that is promised."""

import secrets

from msgspec import Struct

from jikko.apps.end_users import trigger_user
from jikko.apps.versions import Workflows
from jikko.dsl.webhook import WebhookConfig
from jikko.errors import NotFound
from jikko.nodes.flow.trigger import Trigger as TriggerNode
from jikko.ports.files.file_store import FileStore
from jikko.ports.files.file_types import best_type, extension_for
from jikko.ports.stores.app_store import App, AppStore
from jikko.ports.stores.trigger_store import Trigger
from jikko.runs.run_log import RunLog
from jikko.triggers.content_types import detected_type
from jikko.triggers.triggers import Triggers
from jikko.triggers.webhook_call import WebhookCall
from jikko.values import Json


class Webhook(Struct, frozen=True):
    """The webhook of an address, as the current version of its app has it."""

    trigger: Trigger
    app: App
    config: WebhookConfig


class Webhooks:
    """The use cases about calls of webhooks."""

    def __init__(self, triggers: Triggers, apps: AppStore, workflows: Workflows, files: FileStore) -> None:
        self._triggers = triggers
        self._apps = apps
        self._workflows = workflows
        self._files = files

    async def at(self, address: str) -> Webhook:
        """The webhook of an address.

        Raises:
            NotFound: There is none, it is switched off, or the current version of its app does not have it.
        """
        trigger = await self._triggers.at(address)
        app = await self._apps.app(trigger.app_id) if trigger is not None and trigger.enabled else None
        if trigger is None or app is None:
            raise NotFound("There is no webhook at this address.")
        workflow = await self._workflows.get(app)
        node = workflow.graph.nodes.get(trigger.node_id)
        if node is None or not isinstance(node.node, TriggerNode) or node.node.webhook is None:
            raise NotFound("There is no webhook at this address.")
        return Webhook(trigger, app, node.node.webhook)

    async def file(self, webhook: Webhook, content: bytes, *, name: str = "", mime_type: str = "") -> Json:
        """Store a file of a call. Dify does not keep its name. [QUIRK]

        Args:
            mime_type: As sent; by default that of the name, or as the content looks like.

        Raises:
            StoreUnavailable: It cannot be written.
        """
        mime_type = best_type(mime_type, name) if mime_type or name else detected_type(content)
        return await self._files.make(
            content,
            app_id=webhook.app.id,
            end_user_id=trigger_user(webhook.app.id, "webhook"),
            name=secrets.token_hex(16) + extension_for(mime_type, name),
            mime_type=mime_type,
        )

    async def start(self, webhook: Webhook, call: WebhookCall, *, base_url: str = "") -> RunLog:
        """Start the run of a call that fits. See ``Triggers.start``."""
        return await self._triggers.start(webhook.trigger, call.inputs, base_url=base_url, app=webhook.app)
