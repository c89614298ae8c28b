
export interface paths {
    "/v1/workflows/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["run_current"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/{workflow_id}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["run_version"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["run_detail"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/tasks/{task_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["stop_task"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["stop_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/node-executions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["node_executions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["node_execution"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["run_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflow/{workflow_run_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["attach"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["retry_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/workflows/run/{workflow_run_id}/lineage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["lineage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files/upload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["upload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/files/{file_id}/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["preview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{file_id}/file-preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/tools/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["download_made"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/form/human_input/{form_token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_form"];
        put?: never;
        post: operations["submit_form"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["index"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/info": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["app_info"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/parameters": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["parameters"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/meta": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["meta"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/site": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["site"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/end-users/{end_user_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["end_user"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat-messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat-messages/{task_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["stop_chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["messages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages/{message_id}/feedbacks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["give_feedback"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/app/feedbacks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_feedbacks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/messages/{message_id}/suggested": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["suggested_questions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["conversations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete: operations["delete_conversation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/name": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["rename_conversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/variables": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["conversation_variables"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/conversations/{conversation_id}/variables/{variable_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put: operations["set_conversation_variable"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/annotations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_annotations"];
        put?: never;
        post: operations["create_annotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/annotations/{annotation_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put: operations["change_annotation"];
        post?: never;
        delete: operations["delete_annotation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/annotation-reply/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["reply"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/apps/annotation-reply/{action}/status/{job_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["reply_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/audio-to-text": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["audio_to_text"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/text-to-audio": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["text_to_audio"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/completion-messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["complete"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/completion-messages/{task_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["stop_completion"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_datasets"];
        put?: never;
        post: operations["create_dataset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_dataset"];
        put?: never;
        post?: never;
        delete: operations["delete_dataset"];
        options?: never;
        head?: never;
        patch: operations["change_dataset"];
        trace?: never;
    };
    "/v1/workspaces/current/models/model-types/{model_type}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/retrieve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["retrieve"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/document/create-by-text": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["create_document_by_text"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/document/create-by-file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["create_document_by_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/update-by-text": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["update_document_by_text"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_document"];
        put?: never;
        post?: never;
        delete: operations["delete_document"];
        options?: never;
        head?: never;
        patch: operations["replace_document_file"];
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/update-by-file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["update_document_by_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_documents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{batch}/indexing-status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["indexing_status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/status/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch: operations["change_document_status"];
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["document_url"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/download-zip": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["download_documents"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/segments": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_segments"];
        put?: never;
        post: operations["add_segments"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/segments/{segment_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["get_segment"];
        put?: never;
        post: operations["change_segment"];
        delete: operations["delete_segment"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/segments/{segment_id}/child_chunks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_child_chunks"];
        put?: never;
        post: operations["add_child_chunk"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/{document_id}/segments/{segment_id}/child_chunks/{child_chunk_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete: operations["delete_child_chunk"];
        options?: never;
        head?: never;
        patch: operations["change_child_chunk"];
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_fields"];
        put?: never;
        post: operations["add_field"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/metadata/{metadata_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete: operations["delete_field"];
        options?: never;
        head?: never;
        patch: operations["rename_field"];
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/metadata/built-in": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_built_in_fields"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/metadata/built-in/{action}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["switch_built_in_fields"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/documents/metadata": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["set_metadata"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_tags"];
        put?: never;
        post: operations["create_tag"];
        delete: operations["delete_tag"];
        options?: never;
        head?: never;
        patch: operations["rename_tag"];
        trace?: never;
    };
    "/v1/datasets/tags/binding": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["bind_tags"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/tags/unbinding": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["unbind_tags"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/datasets/{dataset_id}/tags": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_tags_of_dataset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/mcp/server/{code}/mcp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["answer_mcp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["list_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models/{model}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_model"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["complete_chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["respond"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{response_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["read_response"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{response_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["cancel_response"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ag-ui/{app}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["run_agent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/triggers/webhook/{address}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["call_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/triggers/webhook-debug/{address}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["call_debugged_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AddedSegments: {
            data: components["schemas"]["SegmentBody"][];
            doc_form: string;
        };
        SegmentBody: {
            id: string;
            position: number;
            document_id: string;
            content: string;
            answer: string | null;
            word_count: number;
            tokens: number;
            index_node_id: string;
            index_node_hash: string;
            hit_count: number;
            enabled: boolean;
            disabled_at: number | null;
            disabled_by: string | null;
            status: string;
            created_by: string;
            created_at: number;
            indexing_at: number | null;
            completed_at: number | null;
            error: string | null;
            stopped_at: number | null;
            sign_content: string;
            keywords: string[] | null;
            updated_at: number;
            updated_by: string | null;
            child_chunks: components["schemas"]["ChildBody"][];
            attachments: unknown[];
            summary: null;
        };
        ChildBody: {
            id: string;
            segment_id: string;
            content: string;
            position: number;
            word_count: number;
            type: string;
            created_at: number;
            updated_at: number;
        };
        Alive: {
            status: string;
            loop?: string;
        };
        AnnotationItem: {
            id: string;
            question: string;
            answer: string;
            hit_count: number;
            created_at: number;
        };
        AnnotationPage: {
            data: components["schemas"]["AnnotationItem"][];
            has_more: boolean;
            limit: number;
            total: number;
            page: number;
        };
        AppAnswer: {
            event: string;
            task_id: string;
            id: string;
            message_id: string;
            conversation_id: string;
            mode: string;
            answer: string;
            metadata: components["schemas"]["AnswerMetadata"];
            created_at: number;
        };
        AnswerMetadata: {
            annotation_reply: components["schemas"]["AnsweredByAnnotation"] | null;
            retriever_resources: Record<string, unknown>[];
            usage: Record<string, unknown> | null;
            reasoning: {
                [key: string]: string;
            };
        };
        AnsweredByAnnotation: {
            id: string;
            account: components["schemas"]["Account"];
        };
        Account: {
            id: string;
            name: string;
        };
        AppResponse: {
            id: string;
            created_at: number;
            status: "cancelled" | "completed" | "failed" | "in_progress" | "incomplete" | "queued";
            model: string;
            output: components["schemas"]["OutputMessage"][];
            usage: components["schemas"]["ResponseUsage"] | null;
            error: components["schemas"]["OpenaiErrorDetail"] | null;
            incomplete_details: {
                [key: string]: string;
            } | null;
            previous_response_id: string | null;
            instructions: string | null;
            metadata: Record<string, unknown>;
            background: boolean;
            object: "response";
            parallel_tool_calls: boolean;
            temperature: number | null;
            top_p: number | null;
            tool_choice: string;
            tools: unknown[];
            conversation_id?: string;
            workflow_run_id?: string;
        };
        OutputMessage: {
            id: string;
            status: "completed" | "in_progress" | "incomplete";
            content: components["schemas"]["OutputText"][];
            type: "message";
            role: "assistant";
        };
        OutputText: {
            text: string;
            type: "output_text";
            annotations: unknown[];
        };
        ResponseUsage: {
            input_tokens: number;
            output_tokens: number;
            total_tokens: number;
            input_tokens_details?: {
                [key: string]: number;
            };
            output_tokens_details?: {
                [key: string]: number;
            };
        };
        OpenaiErrorDetail: {
            message: string;
            type: string;
            param: string | null;
            code: string | null;
        };
        BatchStatus: {
            data: components["schemas"]["StatusBody"][];
        };
        StatusBody: {
            id: string;
            indexing_status: string;
            processing_started_at: number | null;
            parsing_completed_at: number | null;
            cleaning_completed_at: number | null;
            splitting_completed_at: number | null;
            completed_at: number | null;
            paused_at: null;
            error: string | null;
            stopped_at: number | null;
            completed_segments: number;
            total_segments: number;
        };
        BuiltInFields: {
            fields: components["schemas"]["BuiltInField"][];
        };
        BuiltInField: {
            name: string;
            type: string;
        };
        ChatAccepted: {
            task_id: string;
            workflow_run_id: string;
            conversation_id: string;
            message_id: string;
            created_at: number;
        };
        ChatAnswer: {
            event: "message";
            task_id: string;
            id: string;
            message_id: string;
            conversation_id: string;
            mode: "advanced-chat";
            answer: string;
            metadata: components["schemas"]["AnswerMetadata"];
            created_at: number;
        };
        ChatCompletion: {
            id: string;
            created: number;
            model: string;
            choices: components["schemas"]["Choice"][];
            usage: components["schemas"]["CompletionUsage"];
            object: "chat.completion";
            conversation_id?: string;
            workflow_run_id?: string;
        };
        Choice: {
            message: components["schemas"]["ChatCompletionMessage"];
            finish_reason: "content_filter" | "stop";
            index: number;
            logprobs: null;
        };
        ChatCompletionMessage: {
            content: string;
            role: "assistant";
            refusal: null;
            reasoning_content?: string;
            files?: unknown[];
        };
        CompletionUsage: {
            prompt_tokens: number;
            completion_tokens: number;
            total_tokens: number;
        };
        ChildPage: {
            data: components["schemas"]["ChildBody"][];
            total: number;
            total_pages: number;
            page: number;
            limit: number;
        };
        ConversationBody: {
            id: string;
            name: string;
            inputs: Record<string, unknown>;
            introduction: string;
            created_at: number;
            updated_at: number;
            status: string;
        };
        ConversationPage: {
            limit: number;
            has_more: boolean;
            data: components["schemas"]["ConversationBody"][];
        };
        CreatedDocument: {
            document: components["schemas"]["DocumentBody"];
            batch: string;
        };
        DocumentBody: {
            id: string;
            position: number;
            data_source_type: string;
            data_source_info: Record<string, unknown>;
            data_source_detail_dict: {
                [key: string]: components["schemas"]["FileInfo"];
            };
            dataset_process_rule_id: string;
            name: string;
            created_from: string;
            created_by: string;
            created_at: number;
            tokens: number | null;
            indexing_status: string;
            error: string | null;
            enabled: boolean;
            disabled_at: number | null;
            disabled_by: string | null;
            archived: boolean;
            display_status: string;
            word_count: number;
            hit_count: number;
            doc_form: string;
            doc_metadata: components["schemas"]["Value"][];
            summary_index_status: null;
            need_summary: boolean;
        };
        FileInfo: {
            id: string;
            name: string;
            size: number;
            extension: string;
            mime_type: string;
            created_by: string;
            created_at: number;
        };
        Value: {
            id: string;
            name: string;
            type: string;
            value: unknown;
        };
        DatasetBody: {
            id: string;
            name: string;
            description: string;
            provider: string;
            permission: string;
            data_source_type: string | null;
            indexing_technique: string | null;
            app_count: number;
            document_count: number;
            word_count: number;
            created_by: string;
            author_name: string;
            created_at: number;
            updated_by: string;
            updated_at: number;
            embedding_model: string | null;
            embedding_model_provider: string | null;
            embedding_available: boolean | null;
            retrieval_model_dict: Record<string, unknown>;
            summary_index_setting: components["schemas"]["SummarySetting"];
            tags: components["schemas"]["TagOfDataset"][];
            doc_form: string | null;
            external_knowledge_info: components["schemas"]["ExternalInfo"];
            external_retrieval_model: components["schemas"]["ExternalRetrieval"];
            doc_metadata: components["schemas"]["FieldName"][];
            built_in_field_enabled: boolean;
            pipeline_id: null;
            runtime_mode: string;
            chunk_structure: null;
            icon_info: components["schemas"]["IconInfo"];
            is_published: boolean;
            total_documents: number;
            total_available_documents: number;
            enable_api: boolean;
            is_multimodal: boolean;
            maintainer: string;
            partial_member_list?: unknown[];
        };
        SummarySetting: {
            enable: null;
            model_name: null;
            model_provider_name: null;
            summary_prompt: null;
        };
        TagOfDataset: {
            id: string;
            name: string;
            type: string;
        };
        ExternalInfo: {
            external_knowledge_id: string | null;
            external_knowledge_api_id: string | null;
            external_knowledge_api_name: string | null;
            external_knowledge_api_endpoint: string | null;
        };
        ExternalRetrieval: {
            top_k: number;
            score_threshold: number | null;
            score_threshold_enabled: boolean | null;
        };
        FieldName: {
            id: string;
            name: string;
            type: string;
        };
        IconInfo: {
            icon_type: null;
            icon: null;
            icon_background: null;
            icon_url: null;
        };
        DatasetPage: {
            data: components["schemas"]["DatasetBody"][];
            has_more: boolean;
            limit: number;
            total: number;
            page: number;
        };
        DocumentDetail: {
            id: string;
            position?: number;
            data_source_type?: string;
            data_source_info?: {
                [key: string]: components["schemas"]["FileInfo"];
            };
            dataset_process_rule_id?: string;
            dataset_process_rule?: Record<string, unknown>;
            document_process_rule?: Record<string, unknown>;
            name?: string;
            created_from?: string;
            created_by?: string;
            created_at?: number;
            tokens?: number | null;
            indexing_status?: string;
            completed_at?: number | null;
            updated_at?: number | null;
            indexing_latency?: number | null;
            error?: string | null;
            enabled?: boolean;
            disabled_at?: number | null;
            disabled_by?: string | null;
            archived?: boolean;
            doc_type?: null;
            doc_metadata?: components["schemas"]["Value"][] | null;
            segment_count?: number;
            average_segment_length?: number;
            hit_count?: number;
            display_status?: string;
            doc_form?: string;
            doc_language?: string;
            summary_index_status?: null;
            need_summary?: boolean;
        };
        DocumentPage: {
            data: components["schemas"]["DocumentBody"][];
            has_more: boolean;
            limit: number;
            total: number;
            page: number;
        };
        Done: {
            result: string;
        };
        DownloadUrl: {
            url: string;
        };
        EndUser: {
            id: string;
            tenant_id: string;
            app_id: string;
            external_user_id: string;
            is_anonymous: boolean;
            session_id: string;
            created_at: string;
            updated_at: string;
            type: string;
            name: string | null;
        };
        Error: {
            code: string;
            message: string;
            status: number;
            task_id?: string;
            workflow_run_id?: string;
            request_id?: string;
            data?: Record<string, unknown>[];
        };
        EventLog: {
            data: (components["schemas"]["RunStartedEvent"] | components["schemas"]["RunRecoveredEvent"] | components["schemas"]["RunParkedEvent"] | components["schemas"]["NodeStartedEvent"] | components["schemas"]["NodeAttemptedEvent"] | components["schemas"]["NodeFinishedEvent"] | components["schemas"]["ContainerStartedEvent"] | components["schemas"]["RoundStartedEvent"] | components["schemas"]["RoundFinishedEvent"] | components["schemas"]["TextChunkEvent"] | components["schemas"]["TextReplacedEvent"] | components["schemas"]["ReasoningChunkEvent"] | components["schemas"]["AgentLoggedEvent"] | components["schemas"]["StepRecordedEvent"] | components["schemas"]["FormRequestedEvent"] | components["schemas"]["FormClosedEvent"] | components["schemas"]["RunPausedEvent"] | components["schemas"]["RunResumedEvent"] | components["schemas"]["RunBeganEvent"] | components["schemas"]["RunRetriedEvent"] | components["schemas"]["RunFinishedEvent"] | components["schemas"]["UnknownEventEvent"])[];
        };
        FeedbackPage: {
            data: components["schemas"]["FeedbackBody"][];
        };
        FeedbackBody: {
            id: string;
            app_id: string;
            conversation_id: string;
            message_id: string;
            rating: "dislike" | "like";
            content: string | null;
            from_end_user_id: string;
            created_at: string;
            updated_at: string;
            from_source: string;
            from_account_id: null;
        };
        FieldList: {
            doc_metadata: components["schemas"]["FieldUse"][];
            built_in_field_enabled: boolean;
        };
        FieldUse: {
            id: string;
            name: string;
            type: string;
            count: number;
        };
        File: {
            id: string;
            reference: null;
            name: string;
            size: number;
            extension: string;
            mime_type: string;
            created_by: string;
            created_at: number;
            preview_url: null;
            source_url: string;
            original_url: null;
            user_id: null;
            tenant_id: string;
            conversation_id: null;
            file_key: null;
        };
        Form: {
            form_content: string;
            inputs: Record<string, unknown>[];
            resolved_default_values: Record<string, unknown>;
            user_actions: Record<string, unknown>[];
            expiration_time: number;
        };
        FormSubmitted: Record<string, unknown>;
        Health: {
            version: string;
            process: number;
            node: string;
            record: string;
            files: string;
            status: string;
        };
        Index: {
            server_version: string;
            welcome: string;
            api_version: string;
        };
        Info: {
            name: string;
            description: string;
            mode: string;
            tags: string[];
            author_name: string;
        };
        Lineage: {
            workflow_run_id: string;
            retry_of: string | null;
            from_node_ids: string[];
            taken_over: string[];
            replaced: {
                [key: string]: string[];
            };
            mocked: string[];
            retries: components["schemas"]["Relative"][];
        };
        Relative: {
            workflow_run_id: string;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            created_at: number;
        };
        LogPage: {
            page: number;
            limit: number;
            total: number;
            has_more: boolean;
            data: components["schemas"]["LogEntry"][];
            archived_until?: number;
        };
        LogEntry: {
            id: string;
            workflow_run: components["schemas"]["LoggedRun"];
            created_by_end_user: components["schemas"]["LoggedUser"] | null;
            created_at: number;
            details: null;
            created_from: string;
            created_by_role: "account" | "end_user";
            created_by_account: components["schemas"]["LoggedAccount"] | null;
        };
        LoggedRun: {
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            elapsed_time: number;
            total_tokens: number;
            total_steps: number;
            created_at: number;
            error: string | null;
            finished_at: number | null;
            id: string;
            version: string;
            exceptions_count: number;
            triggered_from: "app-run" | "plugin" | "schedule" | "webhook";
        };
        LoggedUser: {
            id: string;
            session_id: string;
            type: "mcp" | "service-api" | "trigger";
            is_anonymous: boolean;
        };
        LoggedAccount: {
            id: string;
            name: string;
            email: string;
        };
        McpAnswer: {
            id: string | number;
            jsonrpc: string;
            result?: Record<string, unknown>;
            error?: components["schemas"]["McpError"];
        };
        McpError: {
            code: number;
            message: string;
        };
        MessagePage: {
            limit: number;
            has_more: boolean;
            data: components["schemas"]["MessageBody"][];
        };
        MessageBody: {
            id: string;
            conversation_id: string;
            inputs: Record<string, unknown>;
            query: string;
            answer: string;
            feedback: components["schemas"]["Rating"] | null;
            retriever_resources: Record<string, unknown>[];
            created_at: number;
            message_files: components["schemas"]["MessageFile"][];
            status: "error" | "normal" | "paused";
            error: string | null;
            extra_contents: components["schemas"]["ExtraContent"][];
            parent_message_id: string;
            agent_thoughts: unknown[];
        };
        Rating: {
            rating: "dislike" | "like";
        };
        MessageFile: {
            id: string;
            filename: string | null;
            type: string;
            url: string | null;
            mime_type: string | null;
            size: number | null;
            transfer_method: string;
            belongs_to: "assistant" | "user";
            upload_file_id: string | null;
        };
        ExtraContent: {
            workflow_run_id: string;
            submitted: boolean;
            form_definition: components["schemas"]["FormDefinition"];
            form_submission_data: components["schemas"]["SubmittedForm"] | null;
            type: string;
        };
        FormDefinition: {
            form_id: string;
            node_id: string;
            node_title: string;
            form_content: string;
            inputs: Record<string, unknown>[];
            actions: Record<string, unknown>[];
            form_token: string | null;
            resolved_default_values: Record<string, unknown>;
            expiration_time: number;
            display_in_ui: boolean;
        };
        SubmittedForm: {
            node_id: string;
            node_title: string;
            rendered_content: string;
            action_id: string;
            action_text: string;
            submitted_data: Record<string, unknown>;
        };
        Meta: {
            tool_icons: Record<string, unknown>;
        };
        Model: {
            id: string;
            created: number;
            object: "model";
            owned_by: string;
        };
        Models: {
            data: components["schemas"]["Model"][];
            object: "list";
        };
        ModelsOfKind: {
            data: Record<string, unknown>[];
        };
        NodeExecution: {
            id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor_node_id: string | null;
            inputs: Record<string, unknown> | null;
            inputs_truncated: boolean;
            process_data: Record<string, unknown> | null;
            process_data_truncated: boolean;
            outputs: Record<string, unknown> | null;
            outputs_truncated: boolean;
            status: "exception" | "failed" | "paused" | "running" | "stopped" | "succeeded";
            error: string | null;
            elapsed_time: number;
            execution_metadata: Record<string, unknown> | null;
            created_at: number;
            finished_at: number | null;
            files: Record<string, unknown>[];
            iteration_id: string | null;
            loop_id: string | null;
            attempts: components["schemas"]["Attempt"][];
            rounds: components["schemas"]["NodeRound"][];
        };
        Attempt: {
            attempt: number;
            error: string;
            error_type: string;
            finished_at: number;
            reason: "failed" | "interrupted";
        };
        NodeRound: {
            node_id: string;
            kind: "iteration" | "loop";
            index: number;
        };
        NodeExecutions: {
            data: components["schemas"]["NodeExecution"][];
        };
        OneChild: {
            data: components["schemas"]["ChildBody"];
        };
        OneSegment: {
            data: components["schemas"]["SegmentBody"];
            doc_form: string;
        };
        OpenaiError: {
            error: components["schemas"]["OpenaiErrorDetail"];
        };
        Parameters: {
            opening_statement: string | null;
            suggested_questions: unknown[];
            suggested_questions_after_answer: Record<string, unknown>;
            speech_to_text: Record<string, unknown>;
            text_to_speech: Record<string, unknown>;
            retriever_resource: Record<string, unknown>;
            more_like_this: Record<string, unknown>;
            user_input_form: Record<string, unknown>[];
            sensitive_word_avoidance: Record<string, unknown>;
            file_upload: Record<string, unknown>;
            system_parameters: components["schemas"]["SystemParameters"];
            annotation_reply: Record<string, unknown>;
        };
        SystemParameters: {
            image_file_size_limit: number;
            video_file_size_limit: number;
            audio_file_size_limit: number;
            file_size_limit: number;
            workflow_file_upload_limit: number;
        };
        Ready: {
            status: string;
            failing: string[];
            checks?: {
                [key: string]: string;
            };
        };
        ReplyBegun: {
            job_id: string;
            job_status: "completed" | "error" | "processing" | "waiting";
        };
        ReplyStatus: {
            job_id: string;
            job_status: "completed" | "error" | "processing" | "waiting";
            error_msg: string;
        };
        Retrieved: {
            query: components["schemas"]["AskedQuery"];
            records: unknown[];
        };
        AskedQuery: {
            content: string;
        };
        RunAnswer: {
            task_id: string;
            workflow_run_id: string;
            data: components["schemas"]["RunResult"];
        };
        RunResult: {
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            elapsed_time: number;
            total_tokens: number;
            total_steps: number;
            created_at: number;
            error: string | null;
            finished_at: number | null;
            id: string;
            workflow_id: string;
            outputs: Record<string, unknown>;
            paused_nodes?: string[];
            reasons?: components["schemas"]["PauseReason"][];
        };
        PauseReason: {
            TYPE: "human_input_required";
            form_id: string;
            node_id: string;
            node_title: string;
            form_content: string;
            inputs: Record<string, unknown>[];
            actions: Record<string, unknown>[];
            form_token: string | null;
            approval_channels: string[];
            resolved_default_values: Record<string, unknown>;
            expiration_time: number;
        };
        RunDetail: {
            id: string;
            workflow_id: string;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            inputs: string;
            outputs: Record<string, unknown>;
            error: string | null;
            total_steps: number;
            total_tokens: number;
            created_at: number;
            finished_at: number | null;
            elapsed_time: number;
        };
        RunStopped: {
            stopped: boolean;
            result: string;
        };
        SegmentPage: {
            data: components["schemas"]["SegmentBody"][];
            doc_form: string;
            total: number;
            has_more: boolean;
            limit: number;
            page: number;
        };
        Site: {
            title: string;
            icon_type: string | null;
            icon: string | null;
            icon_background: string | null;
            use_icon_as_answer_icon: boolean;
            chat_color_theme: string | null;
            chat_color_theme_inverted: boolean;
            description: string | null;
            copyright: string | null;
            privacy_policy: string | null;
            input_placeholder: string | null;
            custom_disclaimer: string;
            default_language: string;
            show_workflow_steps: boolean;
            icon_url: string | null;
        };
        Stopped: {
            result: string;
        };
        SuggestedQuestions: {
            data: string[];
            result: "success";
        };
        TagBody: {
            id: string;
            name: string;
            type: string;
            binding_count: string;
        };
        TagsOfDataset: {
            data: components["schemas"]["TagName"][];
            total: number;
        };
        TagName: {
            id: string;
            name: string;
        };
        Transcript: {
            text: string;
        };
        VariableBody: {
            id: string;
            name: string;
            value_type: string;
            value: string;
            description: string;
            created_at: number;
            updated_at: number;
        };
        VariablePage: {
            limit: number;
            has_more: boolean;
            data: components["schemas"]["VariableBody"][];
        };
        WebhookAnswer: {
            status: string;
            message: string;
        };
        WebhookRefusal: {
            error: string;
            message: string;
            execution_url?: string;
        };
        AnnotationRequest: {
            question: string;
            answer: string;
        };
        AudioForm: {
            file: string;
            user?: string;
        };
        ChangedSegment: {
            segment: components["schemas"]["SegmentChanges"];
        };
        SegmentChanges: {
            content?: string | null;
            answer?: string | null;
            keywords?: string[] | null;
            enabled?: boolean | null;
            regenerate_child_chunks?: boolean;
        };
        ChatCompletionRequest: {
            model: string;
            stream?: boolean | null;
            user?: string | null;
            tools?: Record<string, unknown>[] | null;
            tool_choice?: unknown;
            conversation_id?: string | null;
            inputs?: Record<string, unknown> | string | null;
            metadata?: Record<string, unknown> | null;
            messages: Record<string, unknown>[];
            stream_options?: components["schemas"]["StreamOptions"] | null;
            n?: number | null;
            response_format?: Record<string, unknown> | null;
            logprobs?: boolean | null;
            modalities?: string[] | null;
        };
        StreamOptions: {
            include_usage?: boolean;
        };
        ChatRequest: {
            query: string;
            inputs: Record<string, unknown>;
            user: string | number;
            response_mode?: ("async" | "blocking" | "streaming") | null;
            conversation_id?: string | null;
            files?: Record<string, unknown>[] | null;
            auto_generate_name?: boolean | string;
            workflow_id?: string | null;
            callback_url?: string | null;
            trace_session_id?: string | null;
        };
        ChildText: {
            content: string;
        };
        CompletionRequest: {
            inputs: Record<string, unknown>;
            user: string | number;
            query?: string;
            response_mode?: ("async" | "blocking" | "streaming") | null;
            files?: Record<string, unknown>[] | null;
            callback_url?: string | null;
            trace_session_id?: string | null;
        };
        DatasetChanges: {
            name?: string | null;
            description?: string | null;
            indexing_technique?: ("economy" | "high_quality") | null;
            permission?: ("all_team_members" | "only_me" | "partial_members") | null;
            embedding_model?: string | null;
            embedding_model_provider?: string | null;
            retrieval_model?: Record<string, unknown> | null;
            external_retrieval_model?: Record<string, unknown> | null;
            external_knowledge_id?: string | null;
            external_knowledge_api_id?: string | null;
        };
        DocumentIds: {
            document_ids?: string[] | null;
        };
        FeedbackRequest: {
            user: unknown;
            rating?: ("dislike" | "like") | null;
            content?: string | null;
        };
        FieldRename: {
            name: string;
        };
        FileForm: {
            file: string;
            data?: string;
        };
        FormSubmission: {
            action: string;
            inputs: Record<string, unknown>;
            user: string | number;
        };
        McpMessage: {
            jsonrpc: string;
            method: string;
            id?: string | number;
            params?: Record<string, unknown>;
        };
        MetadataOperations: {
            operation_data: components["schemas"]["MetadataOperation"][];
        };
        MetadataOperation: {
            document_id: string;
            metadata_list: components["schemas"]["FieldValue"][];
            partial_update?: boolean;
        };
        FieldValue: {
            id: string;
            name: string;
            value?: string | number | boolean | null;
        };
        NameRequest: {
            user?: string | number;
            name?: string | null;
            auto_generate?: unknown;
        };
        NewDataset: {
            name: string;
            description?: string;
            indexing_technique?: ("economy" | "high_quality") | null;
            permission?: ("all_team_members" | "only_me" | "partial_members") | null;
            provider?: "external" | "vendor";
            embedding_model?: string | null;
            embedding_model_provider?: string | null;
            retrieval_model?: Record<string, unknown> | null;
            external_knowledge_api_id?: string | null;
            external_knowledge_id?: string | null;
            id?: string | null;
        };
        NewField: {
            type: "number" | "string" | "time";
            name: string;
        };
        NewSegments: {
            segments: components["schemas"]["NewSegment"][];
        };
        NewSegment: {
            content: string;
            answer?: string | null;
            keywords?: string[] | null;
        };
        NewTag: {
            name: string;
        };
        NewTextDocument: {
            indexing_technique?: ("economy" | "high_quality") | null;
            doc_form?: string;
            doc_language?: string;
            process_rule?: Record<string, unknown> | null;
            retrieval_model?: Record<string, unknown> | null;
            embedding_model?: string | null;
            embedding_model_provider?: string | null;
            original_document_id?: string | null;
            name: string;
            text: string;
        };
        OptionalUser: {
            user?: string | number;
        };
        ReplyRequest: {
            score_threshold: number;
            embedding_provider_name: string;
            embedding_model_name: string;
        };
        ResponseRequest: {
            model: string;
            stream?: boolean | null;
            user?: string | null;
            tools?: Record<string, unknown>[] | null;
            tool_choice?: unknown;
            conversation_id?: string | null;
            inputs?: Record<string, unknown> | string | null;
            metadata?: Record<string, unknown> | null;
            input: string | Record<string, unknown>[];
            instructions?: string | null;
            previous_response_id?: string | null;
            background?: boolean | null;
            text?: Record<string, unknown> | null;
        };
        RetrieveRequest: {
            query: string;
            retrieval_model?: Record<string, unknown> | null;
            attachment_ids?: string[] | null;
        };
        RetryRequest: {
            user: string | number;
            from_node_id?: string | null;
            current_version?: boolean;
            values?: {
                [key: string]: Record<string, unknown>;
            };
            mocks?: {
                [key: string]: Record<string, unknown>;
            };
            response_mode?: ("async" | "blocking" | "streaming") | null;
            callback_url?: string | null;
        };
        RunAgentInput: {
            threadId: string;
            runId: string;
            messages: Record<string, unknown>[];
            resume?: components["schemas"]["ResumeEntry"][] | null;
            forwardedProps?: Record<string, unknown> | null;
        };
        ResumeEntry: {
            interruptId: string;
            status: "cancelled" | "resolved";
            payload?: unknown;
        };
        RunRequest: {
            inputs: Record<string, unknown>;
            user: string | number;
            response_mode?: ("async" | "blocking" | "streaming") | null;
            files?: Record<string, unknown>[] | null;
            callback_url?: string | null;
            trace_session_id?: string | null;
        };
        SpeechRequest: {
            message_id?: string | null;
            text?: string | null;
            user?: unknown;
            voice?: string | null;
            streaming?: unknown;
        };
        TagBinding: {
            tag_ids: string[];
            target_id: string;
        };
        TagChoice: {
            tag_id: string;
        };
        TagRename: {
            tag_id: string;
            name: string;
        };
        TagUnbinding: {
            target_id: string;
            tag_ids?: string[] | null;
            tag_id?: string | null;
        };
        TextChanges: {
            name?: string | null;
            text?: string | null;
            process_rule?: Record<string, unknown> | null;
            doc_form?: string;
            doc_language?: string;
        };
        UploadForm: {
            file: string;
            user?: string;
        };
        UserRequest: {
            user: string | number;
        };
        VariableRequest: {
            value: unknown;
            user?: string | number;
        };
        AgentLoggedEvent: {
            id: number;
            event: "agent_logged";
            at: number;
            execution_id: string;
            node_id: string;
            entry_id: string;
            label: string;
            parent_id?: string | null;
            status?: "error" | "start" | "success";
            error?: string | null;
            data?: Record<string, unknown>;
            metadata?: Record<string, unknown>;
        };
        ContainerStartedEvent: {
            id: number;
            event: "container_started";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            length: number;
            inputs?: Record<string, unknown>;
            hides_failed_rounds?: boolean;
            variables?: Record<string, unknown>;
        };
        Round: [
            string,
            string,
            "iteration" | "loop",
            number
        ];
        FormClosedEvent: {
            id: number;
            event: "form_closed";
            at: number;
            execution_id: string;
            node_id: string;
            title: string;
            form_id: string;
            action_id: string | null;
            action_text?: string;
            rendered_content?: string;
            data?: Record<string, unknown>;
            expiration_time?: number;
        };
        FormRequestedEvent: {
            id: number;
            event: "form_requested";
            at: number;
            execution_id: string;
            node_id: string;
            title: string;
            form_id: string;
            form: Record<string, unknown>;
            source?: string;
            expires_at?: number;
        };
        NodeAttemptedEvent: {
            id: number;
            event: "node_attempted";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            started_at: number;
            elapsed: number;
            attempt: number;
            error: string;
            error_type?: string;
            inputs?: Record<string, unknown>;
            process_data?: Record<string, unknown>;
            outputs?: Record<string, unknown>;
            usage?: components["schemas"]["Usage"] | null;
            metadata?: Record<string, unknown>;
        };
        Usage: {
            total_tokens?: number;
            prompt_tokens?: number;
            completion_tokens?: number;
            total_price?: string;
            currency?: string;
            prompt_price?: string;
            completion_price?: string;
            prompt_unit_price?: string;
            completion_unit_price?: string;
            latency?: number;
        };
        NodeFinishedEvent: {
            id: number;
            event: "node_finished";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            started_at: number;
            elapsed: number;
            status: "exception" | "failed" | "succeeded";
            inputs?: Record<string, unknown>;
            process_data?: Record<string, unknown>;
            outputs?: Record<string, unknown>;
            handle?: string;
            error?: string | null;
            error_type?: string;
            strategy?: ("default-value" | "fail-branch") | null;
            updates?: components["schemas"]["Update"][];
            usage?: components["schemas"]["Usage"] | null;
            metadata?: Record<string, unknown>;
            steps?: number;
            resources?: Record<string, unknown>[];
            announced?: boolean;
            own_outputs?: Record<string, unknown>;
        };
        Update: [
            string[],
            unknown
        ];
        NodeStartedEvent: {
            id: number;
            event: "node_started";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            icon?: unknown;
        };
        ReasoningChunkEvent: {
            id: number;
            event: "reasoning_chunk";
            at: number;
            node_id: string;
            text: string;
            final?: boolean;
            execution_id?: string;
            said?: string;
        };
        RoundFinishedEvent: {
            id: number;
            event: "round_finished";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            round: number;
            elapsed: number;
            outputs?: Record<string, unknown>;
            error?: string | null;
            usage?: components["schemas"]["Usage"] | null;
            ended?: boolean;
            last?: boolean;
        };
        RoundStartedEvent: {
            id: number;
            event: "round_started";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title?: string;
            index: number;
            predecessor?: string | null;
            rounds?: components["schemas"]["Round"][];
            round: number;
            variables?: Record<string, unknown>;
        };
        RunBeganEvent: {
            id: number;
            event: "run_began";
            at: number;
        };
        RunFinishedEvent: {
            id: number;
            event: "run_finished";
            at: number;
            status: "failed" | "partial-succeeded" | "stopped" | "succeeded";
            outputs?: Record<string, unknown>;
            error?: string | null;
            elapsed: number;
            total_tokens?: number;
            total_steps?: number;
            exceptions_count?: number;
            price?: string;
            currency?: string;
            failed_node?: components["schemas"]["FailedNode"] | null;
            exceptions?: components["schemas"]["Exceptions"] | null;
        };
        FailedNode: [
            string,
            string
        ];
        Exceptions: [
            number,
            number,
            number
        ];
        RunParkedEvent: {
            id: number;
            event: "run_parked";
            at: number;
            elapsed: number;
        };
        RunPausedEvent: {
            id: number;
            event: "run_paused";
            at: number;
            paused_nodes: string[];
            elapsed: number;
            total_tokens?: number;
            total_steps?: number;
            wake_at?: number | null;
        };
        RunRecoveredEvent: {
            id: number;
            event: "run_recovered";
            at: number;
            epoch: number;
            in_flight?: string[];
            ready?: string[];
            elapsed?: number;
        };
        RunResumedEvent: {
            id: number;
            event: "run_resumed";
            at: number;
        };
        RunRetriedEvent: {
            id: number;
            event: "run_retried";
            at: number;
            run_id: string;
            from_nodes: string[];
            replaced?: {
                [key: string]: string[];
            };
        };
        RunStartedEvent: {
            id: number;
            event: "run_started";
            at: number;
            inputs: Record<string, unknown>;
            system: Record<string, unknown>;
            turn?: components["schemas"]["Turn"] | null;
            depth?: number;
            trace?: string;
            entry?: string;
            mocks?: {
                [key: string]: Record<string, unknown>;
            };
        };
        Turn: {
            conversation_id: string;
            message_id: string;
            variables?: Record<string, unknown>;
            cites?: boolean;
            streamed?: boolean;
            mode?: string;
            is_trial?: boolean;
        };
        StepRecordedEvent: {
            id: number;
            event: "step_recorded";
            at: number;
            execution_id: string;
            kind: "model" | "tool";
            request: string;
            answer: unknown;
            usage?: components["schemas"]["Usage"] | null;
        };
        TextChunkEvent: {
            id: number;
            event: "text_chunk";
            at: number;
            text: string;
            selector: string[];
        };
        TextReplacedEvent: {
            id: number;
            event: "text_replaced";
            at: number;
            text: string;
            reason?: string;
        };
        UnknownEventEvent: {
            id: number;
            event: "unknown_event";
            at: number;
            kind: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    run_current: {
        parameters: {
            query?: {
                trace_session_id?: string;
            };
            header?: {
                "Idempotency-Key"?: string;
                "X-Trace-Session-Id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                    "text/event-stream": unknown;
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                };
            };
        };
    };
    run_version: {
        parameters: {
            query?: {
                trace_session_id?: string;
            };
            header?: {
                "Idempotency-Key"?: string;
                "X-Trace-Session-Id"?: string;
            };
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                    "text/event-stream": unknown;
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                };
            };
        };
    };
    run_detail: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunDetail"];
                };
            };
        };
    };
    stop_task: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    stop_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunStopped"];
                };
            };
        };
    };
    logs: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
                status?: "failed" | "stopped" | "succeeded";
                created_at__before?: string;
                created_at__after?: string;
                created_by_end_user_session_id?: string;
                created_by_account?: string;
                triggered_from?: "plugin" | "schedule" | "webhook";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LogPage"];
                };
            };
        };
    };
    node_executions: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeExecutions"];
                };
            };
        };
    };
    node_execution: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
                node_execution_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeExecution"];
                };
            };
        };
    };
    run_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventLog"];
                    "text/event-stream": unknown;
                };
            };
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    attach: {
        parameters: {
            query: {
                user: string;
                include_state_snapshot?: string;
                continue_on_pause?: string;
            };
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
        };
    };
    retry_run: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
            };
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetryRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                    "text/event-stream": unknown;
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                };
            };
        };
    };
    lineage: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_run_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lineage"];
                };
            };
        };
    };
    upload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["UploadForm"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["File"];
                };
            };
        };
    };
    preview: {
        parameters: {
            query?: {
                as_attachment?: string;
            };
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
        };
    };
    download: {
        parameters: {
            query: {
                timestamp: string;
                nonce: string;
                sign: string;
                as_attachment?: string;
            };
            header?: never;
            path: {
                file_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
        };
    };
    download_made: {
        parameters: {
            query: {
                timestamp: string;
                nonce: string;
                sign: string;
                as_attachment?: string;
            };
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "*/*": unknown;
                };
            };
        };
    };
    read_form: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                form_token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Form"];
                };
            };
        };
    };
    submit_form: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                form_token: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FormSubmission"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FormSubmitted"];
                };
            };
        };
    };
    index: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Index"];
                };
            };
        };
    };
    app_info: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Info"];
                };
            };
        };
    };
    parameters: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Parameters"];
                };
            };
        };
    };
    meta: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Meta"];
                };
            };
        };
    };
    site: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Site"];
                };
            };
        };
    };
    end_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                end_user_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EndUser"];
                };
            };
        };
    };
    livez: {
        parameters: {
            query?: {
                verbose?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
        };
    };
    readyz: {
        parameters: {
            query?: {
                verbose?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Ready"];
                };
            };
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    chat: {
        parameters: {
            query?: {
                trace_session_id?: string;
            };
            header?: {
                "Idempotency-Key"?: string;
                "X-Trace-Session-Id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChatRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatAnswer"];
                    "text/event-stream": unknown;
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatAccepted"];
                };
            };
        };
    };
    stop_chat: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    messages: {
        parameters: {
            query: {
                conversation_id: string;
                user?: string;
                first_id?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessagePage"];
                };
            };
        };
    };
    give_feedback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                message_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FeedbackRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    list_feedbacks: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FeedbackPage"];
                };
            };
        };
    };
    suggested_questions: {
        parameters: {
            query: {
                user: string;
            };
            header?: never;
            path: {
                message_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuggestedQuestions"];
                };
            };
        };
    };
    conversations: {
        parameters: {
            query?: {
                user?: string;
                last_id?: string;
                limit?: number;
                sort_by?: "-created_at" | "-updated_at" | "created_at" | "updated_at";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationPage"];
                };
            };
        };
    };
    delete_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OptionalUser"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    rename_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NameRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConversationBody"];
                };
            };
        };
    };
    conversation_variables: {
        parameters: {
            query?: {
                user?: string;
                last_id?: string;
                limit?: number;
                variable_name?: string;
            };
            header?: never;
            path: {
                conversation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VariablePage"];
                };
            };
        };
    };
    set_conversation_variable: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                conversation_id: string;
                variable_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VariableRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VariableBody"];
                };
            };
        };
    };
    list_annotations: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnnotationPage"];
                };
            };
        };
    };
    create_annotation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnnotationRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnnotationItem"];
                };
            };
        };
    };
    change_annotation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                annotation_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnnotationRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnnotationItem"];
                };
            };
        };
    };
    delete_annotation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                annotation_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    reply: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                action: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReplyRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReplyBegun"];
                };
            };
        };
    };
    reply_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                action: string;
                job_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ReplyStatus"];
                };
            };
        };
    };
    audio_to_text: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["AudioForm"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Transcript"];
                };
            };
        };
    };
    text_to_audio: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SpeechRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "audio/mpeg": unknown;
                };
            };
        };
    };
    complete: {
        parameters: {
            query?: {
                trace_session_id?: string;
            };
            header?: {
                "Idempotency-Key"?: string;
                "X-Trace-Session-Id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CompletionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppAnswer"];
                    "text/event-stream": unknown;
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatAccepted"];
                };
            };
        };
    };
    stop_completion: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                task_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
        };
    };
    list_datasets: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
                tag_ids?: string;
                include_all?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetPage"];
                };
            };
        };
    };
    create_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewDataset"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetBody"];
                };
            };
        };
    };
    get_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetBody"];
                };
            };
        };
    };
    delete_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DatasetChanges"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetBody"];
                };
            };
        };
    };
    models: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model_type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelsOfKind"];
                };
            };
        };
    };
    retrieve: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RetrieveRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Retrieved"];
                };
            };
        };
    };
    create_document_by_text: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTextDocument"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedDocument"];
                };
            };
        };
    };
    create_document_by_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["FileForm"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedDocument"];
                };
            };
        };
    };
    update_document_by_text: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TextChanges"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedDocument"];
                };
            };
        };
    };
    get_document: {
        parameters: {
            query?: {
                metadata?: string;
            };
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DocumentDetail"];
                };
            };
        };
    };
    delete_document: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    replace_document_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["FileForm"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedDocument"];
                };
            };
        };
    };
    update_document_by_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": components["schemas"]["FileForm"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreatedDocument"];
                };
            };
        };
    };
    list_documents: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
                status?: string;
            };
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DocumentPage"];
                };
            };
        };
    };
    indexing_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                batch: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BatchStatus"];
                };
            };
        };
    };
    change_document_status: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                action: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DocumentIds"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    document_url: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DownloadUrl"];
                };
            };
        };
    };
    download_documents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["DocumentIds"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/zip": unknown;
                };
            };
        };
    };
    list_segments: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
                status?: string;
            };
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SegmentPage"];
                };
            };
        };
    };
    add_segments: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSegments"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AddedSegments"];
                };
            };
        };
    };
    get_segment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneSegment"];
                };
            };
        };
    };
    change_segment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangedSegment"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneSegment"];
                };
            };
        };
    };
    delete_segment: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_child_chunks: {
        parameters: {
            query?: {
                page?: number;
                limit?: number;
                keyword?: string;
            };
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChildPage"];
                };
            };
        };
    };
    add_child_chunk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChildText"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneChild"];
                };
            };
        };
    };
    delete_child_chunk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
                child_chunk_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_child_chunk: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                document_id: string;
                segment_id: string;
                child_chunk_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChildText"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneChild"];
                };
            };
        };
    };
    list_fields: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FieldList"];
                };
            };
        };
    };
    add_field: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewField"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FieldName"];
                };
            };
        };
    };
    delete_field: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                metadata_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    rename_field: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                metadata_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FieldRename"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FieldName"];
                };
            };
        };
    };
    list_built_in_fields: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BuiltInFields"];
                };
            };
        };
    };
    switch_built_in_fields: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
                action: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    set_metadata: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MetadataOperations"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Done"];
                };
            };
        };
    };
    list_tags: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
        };
    };
    create_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTag"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TagBody"];
                };
            };
        };
    };
    delete_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TagChoice"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    rename_tag: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TagRename"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TagBody"];
                };
            };
        };
    };
    bind_tags: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TagBinding"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    unbind_tags: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TagUnbinding"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_tags_of_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                dataset_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TagsOfDataset"];
                };
            };
        };
    };
    answer_mcp: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                code: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["McpMessage"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["McpAnswer"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
        };
    };
    list_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Models"];
                };
            };
        };
    };
    read_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Model"];
                };
            };
        };
    };
    complete_chat: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
                "X-Conversation-Id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChatCompletionRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatCompletion"];
                    "text/event-stream": unknown;
                };
            };
        };
    };
    respond: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
                "X-Conversation-Id"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResponseRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppResponse"];
                    "text/event-stream": unknown;
                };
            };
        };
    };
    read_response: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                response_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppResponse"];
                };
            };
        };
    };
    cancel_response: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                response_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppResponse"];
                };
            };
        };
    };
    run_agent: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
            };
            path: {
                app: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RunAgentInput"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
        };
    };
    call_webhook: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string;
            };
            path: {
                address: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookAnswer"];
                };
            };
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunAnswer"];
                };
            };
        };
    };
    call_debugged_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                address: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: never;
    };
}
