"""Keys of files of DSL 0.7 and later that no node and no file of the known versions has.

Dify adds settings without a new version, and its editor keeps its own state in nodes. In older files a strange key is
such state; in newer ones it may change what a node does, so it is reported.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import NodeEntry
from jikko.dsl.fields import problem_at

# Texts, since lists would be a line a key.
_OF_FILE: Final = frozenset(
    "version kind app workflow model_config agent agent_packages dependencies site bundle_id".split()
)
_OF_APP: Final = frozenset(
    "name mode icon icon_type icon_background description use_icon_as_answer_icon max_active_requests".split()
)
_OF_WORKFLOW: Final = frozenset(
    "graph features environment_variables conversation_variables rag_pipeline_variables kind version".split()
)
_OF_NODES: Final = frozenset(
    """
    type title desc version selected variables outputs inputs error_strategy default_value retry_config
    iteration_id loop_id container_id isInIteration isInLoop isIterationStart isLoopStart startNodeType start_node_id
    author showAuthor text theme width height
    model model_selector prompt_template prompt_config context memory vision query instruction instructions
    structured_output structured_output_enabled structured_output_switch_on reasoning_format reasoning_mode
    parameters classes topics query_variable_selector
    agent_parameters agent_strategy_label agent_strategy_name agent_strategy_provider_name agent_node_kind agent_binding
    agent_job agent_task agent_output_routes
    code code_language dependencies template
    authorization body headers method params timeout url ssl_verify
    provider_id provider_name provider_type provider_show_name provider_icon provider_icon_dark provider_status
    plugin_id plugin_unique_identifier credential_id tool_configurations tool_description tool_label tool_name
    tool_node_version tool_parameters is_team_authorization hasCredentials paramSchemas output_schema meta
    cases conditions logical_operator advanced_settings output_type answer
    dataset_ids metadata_filtering_conditions metadata_filtering_mode metadata_model_config multiple_retrieval_config
    query_attachment_selector retrieval_mode single_retrieval_config
    is_array_file variable_selector extract_by filter_by item_var_type limit order_by var_type variable items
    error_handle_mode flatten_output is_parallel iterator_input_type iterator_selector iterator_iterator_type
    output_selector output_var_type parallel_nums break_conditions loop_count loop_variables
    delivery_methods form_content timeout_unit user_actions
    async_mode config content_type cron_expression event_label event_name event_node_version event_parameters frequency
    mode response_body status_code subscription_id timezone trigger_id trigger_label visual_config webhook_debug_url
    webhook_url
    """.split()
)
_OF_CONFIG: Final = frozenset(
    """
    model pre_prompt prompt_type chat_prompt_config completion_prompt_config user_input_form external_data_tools
    dataset_query_variable dataset_configs agent_mode opening_statement suggested_questions
    suggested_questions_after_answer speech_to_text text_to_speech retriever_resource annotation_reply more_like_this
    sensitive_word_avoidance file_upload
    """.split()
)
_NEWER: Final = re.compile(r"v?0*(?:0\.0*(?:[7-9]|[1-9]\d+)|[1-9]\d*)(?:\D.*)?", re.ASCII | re.DOTALL)


def is_newer(version: str) -> bool:
    """Whether a file may hold what Dify added without a new version: 0.7 and later."""
    return _NEWER.fullmatch(version) is not None


def check_keys(root: Mapping[str, Any], nodes: Sequence[NodeEntry], problems: list[Diagnostic]) -> None:
    """Note the keys of a newer file that nothing here reads. ``root``: the whole file."""
    places = [
        ("", root, _OF_FILE),
        ("app.", root.get("app"), _OF_APP),
        ("workflow.", root.get("workflow"), _OF_WORKFLOW),
        ("model_config.", root.get("model_config"), _OF_CONFIG),
        *((f"{node.where}.", node.data, _OF_NODES) for node in nodes),
    ]
    for where, mapping, known in places:
        for key in mapping if isinstance(mapping, Mapping) else ():
            # With an underscore begins what the editor notes for itself.
            if key not in known and not str(key).startswith("_"):
                what = Phrase("document.unknown_key", {"key": repr(key)})
                problems.append(problem_at(f"{where}{key}", what, fatal=False))
