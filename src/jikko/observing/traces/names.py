"""What spans and their attributes are called: the only place that knows.

Source: the conventions of OpenTelemetry for generative AI, which are still in development; what they have no name for
has one of ours.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
AGENT: Final = "gen_ai.agent.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
ERROR_TYPE: Final = "error.type"

RUN: Final = "jikko.run.id"
APP: Final = "jikko.app.id"
TRIGGER: Final = "jikko.trigger.kind"
TRIGGER_NODE: Final = "jikko.trigger.node"
STATUS: Final = "jikko.status"
EPOCH: Final = "jikko.epoch"
NODE: Final = "jikko.node.id"
NODE_TYPE: Final = "jikko.node.type"
EXECUTION: Final = "jikko.execution.id"
ROUND: Final = "jikko.round"
ATTEMPTS: Final = "jikko.attempts"

INVOKE_WORKFLOW: Final = "invoke_workflow"
CHAT: Final = "chat"


def run_span_name(app_name: str) -> str:
    """Of the span of a run."""
    return f"{INVOKE_WORKFLOW} {app_name}"


def node_span_name(node_type: str, model: str) -> str:
    """Of the span of an execution. ``model``: empty for a node that calls none."""
    return f"{CHAT} {model}" if model else f"node {node_type}"


def message(role: str, text: str) -> dict[str, object]:
    """A message of a conversation with a model, as the two attributes of messages list them in JSON."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}
