
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        AddedDocument: {
            id: string;
            name: string;
            status: string;
        };
        AppFull: {
            id: string;
            name: string;
            mode: "advanced-chat" | "agent-chat" | "chat" | "completion" | "workflow";
            description: string;
            icon: components["schemas"]["Icon"];
            nodes: number;
            version: components["schemas"]["Version"];
            versions: number;
            last_runs: components["schemas"]["LastRun"][];
            day: components["schemas"]["Day"];
            last_at: number | null;
            problems: components["schemas"]["Problem"][];
            graph: components["schemas"]["Graph"];
            form: components["schemas"]["FormVariable"][];
            features: Record<string, never>;
            models: components["schemas"]["ModelUse"][];
        };
        Icon: {
            type: string;
            value: string;
            background: string;
        };
        Version: {
            workflow_id: string;
            number: number;
            published_at: number;
        };
        LastRun: {
            id: string;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            elapsed: number;
        };
        Day: {
            runs: number;
            by_status: {
                [key: string]: number;
            };
            p50: number | null;
            p95: number | null;
        };
        Problem: {
            level: "error" | "may_fail" | "warning" | "will_fail";
            path: string;
            problem: string;
            hint: string;
            code: string;
            params: Record<string, never>;
            note: string;
            remedy: components["schemas"]["PhraseBody"] | null;
            node_id?: string;
        };
        PhraseBody: {
            code: string;
            params: Record<string, never>;
        };
        Graph: {
            nodes: components["schemas"]["GraphNode"][];
            edges: components["schemas"]["GraphEdge"][];
        };
        GraphNode: {
            id: string;
            type: string;
            title: string;
            x: number;
            y: number;
            width: number;
            height: number;
            detail: string;
            note?: string;
            parent?: string;
            cases?: Record<string, never>[];
        };
        GraphEdge: {
            id: string;
            source: string;
            handle: string;
            target: string;
            label?: string;
        };
        FormVariable: {
            name: string;
            label: string;
            type: string;
            required: boolean;
            hide: boolean;
            default: unknown;
            description: string;
            max_length: number;
            options: string[];
            allowed_file_types: string[];
            allowed_file_extensions: string[];
            allowed_file_upload_methods: string[];
            json_schema: Record<string, never> | null;
        };
        ModelUse: {
            provider: string;
            model: string;
            nodes: string[];
            ok: boolean;
        };
        Apps: {
            data: components["schemas"]["App"][];
        };
        App: {
            id: string;
            name: string;
            mode: "advanced-chat" | "agent-chat" | "chat" | "completion" | "workflow";
            description: string;
            icon: components["schemas"]["Icon"];
            nodes: number;
            version: components["schemas"]["Version"];
            versions: number;
            last_runs: components["schemas"]["LastRun"][];
            day: components["schemas"]["Day"];
            last_at: number | null;
            problems: components["schemas"]["ProblemCounts"];
        };
        ProblemCounts: {
            errors: number;
            warnings: number;
        };
        AuditList: {
            data: components["schemas"]["AuditRecord"][];
            next: string | null;
        };
        AuditRecord: {
            id: string;
            at: number;
            actor: string;
            source: string;
            via: "api" | "cli" | "console";
            action: string;
            what: string;
            app_id: string | null;
            before: unknown;
            after: unknown;
        };
        ChatVariables: {
            data: components["schemas"]["ChatVariable"][];
        };
        ChatVariable: {
            name: string;
            before: unknown;
            after: unknown;
            changed_by: string;
        };
        Checked: {
            ok: boolean;
            checks: components["schemas"]["CheckInfo"][];
        };
        CheckInfo: {
            name: string;
            status: "failed" | "ok" | "warning";
            detail: string;
            code: string;
            params: Record<string, never>;
        };
        Conversations: {
            data: components["schemas"]["Conversation"][];
            next: string | null;
        };
        Conversation: {
            id: string;
            name: string;
            user: string;
            created_at: number;
            updated_at: number;
            messages: number;
        };
        CurrentSession: {
            role: "operator" | "viewer";
            name: string;
            scopes: ("apps:read" | "apps:write" | "audit:read" | "keys:write" | "knowledge:read" | "knowledge:write" | "runs:read" | "runs:write" | "system:read" | "system:write" | "tokens:write")[];
            expires_at: number;
            server: components["schemas"]["ServerInfo"];
            features: components["schemas"]["Features"];
        };
        ServerInfo: {
            version: string;
            now: number;
            public_url: string;
        };
        Features: {
            chat: boolean;
            shares: boolean;
        };
        DeliveryEntry: {
            id: string;
            app: components["schemas"]["RunApp"];
            trigger_id: string;
            node_id: string;
            received_at: number;
            method: string;
            size: number;
            verdict: "accepted" | "duplicate" | "refused";
            reason: string;
            state: "dead" | "discarded" | "done" | "duplicate" | "expired" | "failed" | "refused" | "running" | "waiting";
            sender_id: string;
            runs: string[];
            error: string | null;
        };
        RunApp: {
            id: string;
            name: string;
            icon: components["schemas"]["Icon"] | null;
        };
        DeliveryFull: {
            id: string;
            app: components["schemas"]["RunApp"];
            trigger_id: string;
            node_id: string;
            received_at: number;
            method: string;
            size: number;
            verdict: "accepted" | "duplicate" | "refused";
            reason: string;
            state: "dead" | "discarded" | "done" | "duplicate" | "expired" | "failed" | "refused" | "running" | "waiting";
            sender_id: string;
            runs: string[];
            error: string | null;
            call: unknown;
            run_list: components["schemas"]["Run"][];
        };
        Run: {
            id: string;
            app: components["schemas"]["RunApp"];
            version: number;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            created_at: number;
            finished_at?: number;
            elapsed: number;
            tokens: number;
            price?: string;
            user: string;
            error?: components["schemas"]["RunError"];
            exceptions: components["schemas"]["RunExceptions"];
            preview?: string;
            waits_for: components["schemas"]["WaitsFor"][];
            retry_of?: string;
            conversation_id?: string;
        };
        RunError: {
            node_id: string | null;
            title: string | null;
            message: string;
        };
        RunExceptions: {
            tries: number;
            handled: number;
            rounds: number;
        };
        WaitsFor: {
            form_id: string;
            title: string;
            expires_at: number;
        };
        DeliveryList: {
            data: components["schemas"]["DeliveryEntry"][];
            next: string | null;
        };
        DueTimesAdded: {
            added: number;
        };
        DueTimesDropped: {
            dropped: number;
        };
        Environment: {
            data: components["schemas"]["EnvironmentVariable"][];
        };
        EnvironmentVariable: {
            name: string;
            type: string;
            value: unknown;
            is_set: boolean;
            overruled_by: string | null;
        };
        Error: {
            code: string;
            message: string;
            status: number;
            task_id?: string;
            workflow_run_id?: string;
            request_id?: string;
            data?: Record<string, never>[];
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
        FormSubmitted: Record<string, never>;
        Histogram: {
            from: number;
            step: number;
            data: components["schemas"]["HistogramBar"][];
        };
        HistogramBar: {
            at: number;
            by_status: {
                [key: string]: number;
            };
        };
        Imported: {
            data: components["schemas"]["ImportedFile"][];
        };
        ImportedFile: {
            file: string;
            problems: components["schemas"]["Problem"][];
            app_id?: string;
            name?: string;
            version?: components["schemas"]["Version"];
        };
        Key: {
            id: string;
            hint: string;
            created_at: number;
            used_at?: number;
            key?: string;
        };
        Keys: {
            data: components["schemas"]["Key"][];
        };
        KnowledgeDocuments: {
            data: components["schemas"]["KnowledgeDocument"][];
            total: number;
        };
        KnowledgeDocument: {
            id: string;
            name: string;
            status: string;
            error: string | null;
            error_message: components["schemas"]["PhraseBody"] | null;
            enabled: boolean;
            archived: boolean;
            words: number;
            tokens: number | null;
            segments: number;
            segments_done: number;
            hits: number;
            created_at: number;
            completed_at: number | null;
        };
        KnowledgeHits: {
            data: components["schemas"]["KnowledgeHit"][];
        };
        KnowledgeHit: {
            score: number;
            content: string;
            answer: string | null;
            document_id: string | null;
            document_name: string;
            segment_id: string | null;
            position: number | null;
            metadata: unknown;
        };
        KnowledgeSegments: {
            data: components["schemas"]["KnowledgeSegment"][];
            total: number;
        };
        KnowledgeSegment: {
            id: string;
            position: number;
            content: string;
            answer: string | null;
            words: number;
            tokens: number;
            keywords: string[];
            enabled: boolean;
            status: string;
            hits: number;
        };
        KnowledgeSet: {
            id: string;
            name: string;
            description: string;
            provider: string;
            technique: string | null;
            embedding_model: string | null;
            documents: number;
            available: number;
            words: number;
            updated_at: number;
        };
        KnowledgeSets: {
            data: components["schemas"]["KnowledgeSet"][];
        };
        LogPage: {
            data: (components["schemas"]["RunStartedEvent"] | components["schemas"]["RunRecoveredEvent"] | components["schemas"]["RunParkedEvent"] | components["schemas"]["NodeStartedEvent"] | components["schemas"]["NodeAttemptedEvent"] | components["schemas"]["NodeFinishedEvent"] | components["schemas"]["ContainerStartedEvent"] | components["schemas"]["RoundStartedEvent"] | components["schemas"]["RoundFinishedEvent"] | components["schemas"]["TextChunkEvent"] | components["schemas"]["TextReplacedEvent"] | components["schemas"]["ReasoningChunkEvent"] | components["schemas"]["AgentLoggedEvent"] | components["schemas"]["StepRecordedEvent"] | components["schemas"]["FormRequestedEvent"] | components["schemas"]["FormClosedEvent"] | components["schemas"]["RunPausedEvent"] | components["schemas"]["RunResumedEvent"] | components["schemas"]["RunBeganEvent"] | components["schemas"]["RunRetriedEvent"] | components["schemas"]["RunFinishedEvent"] | components["schemas"]["UnknownEventEvent"])[];
            end: number;
            closed: boolean;
        };
        Messages: {
            data: components["schemas"]["Message"][];
            next: string | null;
        };
        Message: {
            id: string;
            query: string;
            answer: string;
            files: unknown[];
            answer_files: unknown[];
            run_id: string | null;
            status: string;
            error: string | null;
            created_at: number;
            tokens: number;
            elapsed: number | null;
            sources: unknown[];
            rating: ("dislike" | "like") | null;
            note: string;
            can_rate: boolean;
        };
        NodeSource: {
            first_line: number;
            lines: string[];
        };
        OpenForms: {
            data: components["schemas"]["OpenForm"][];
        };
        OpenForm: {
            form_id: string;
            run_id: string;
            app: components["schemas"]["RunApp"];
            node_id: string;
            title: string;
            requested_at: number;
            expires_at: number;
            form_content: string;
            inputs: Record<string, never>[];
            actions: Record<string, never>[];
            resolved_default_values: Record<string, never>;
        };
        OpenedShare: {
            expires_at: number;
        };
        Overview: {
            running: number;
            queued: number;
            paused: number;
            day: components["schemas"]["OverviewDay"];
        };
        OverviewDay: {
            runs: number;
            by_status: {
                [key: string]: number;
            };
            cost: {
                [key: string]: string;
            };
        };
        PluginEntries: {
            data: components["schemas"]["PluginEntry"][];
        };
        PluginEntry: {
            id: string;
            version: string;
            trust: string;
            permissions: string[];
            has: string[];
        };
        ProviderTried: {
            ok: boolean;
            ms: number;
            error: string | null;
            models: string[];
        };
        QuestionAccepted: {
            message_id: string;
            conversation_id: string;
            run_id: string | null;
        };
        ResentCallbacks: {
            resent: number;
        };
        RetryChoices: {
            data: components["schemas"]["RetryChoice"][];
        };
        RetryChoice: {
            version: number;
            is_current: boolean;
            taken_over: components["schemas"]["RetryNode"][];
            from_nodes: components["schemas"]["RetryNode"][];
            why_not: string | null;
            reads?: {
                [key: string]: Record<string, never>;
            };
            mockable?: components["schemas"]["RetryMock"][];
        };
        RetryNode: {
            id: string;
            title: string;
        };
        RetryMock: {
            id: string;
            title: string;
            outputs: Record<string, never> | null;
            handles: string[];
            can_fake: boolean;
        };
        RunAccepted: {
            run_id: string;
        };
        RunCharts: {
            from: number;
            step: number;
            runs: number;
            looked_at: number;
            data: components["schemas"]["ChartPoint"][];
        };
        ChartPoint: {
            name: string;
            runs: number;
            failed: number;
            p50: number | null;
            p95: number | null;
            first_p50: number | null;
            first_p95: number | null;
            tokens: number;
            cost: {
                [key: string]: string;
            };
            at?: number;
            app_id?: string;
            workflow_id?: string;
            version?: number;
        };
        RunCoverage: {
            runs: number;
            unread: number;
            nodes: components["schemas"]["NodeCoverage"][];
        };
        NodeCoverage: {
            id: string;
            title: string;
            times: number;
            branches: components["schemas"]["BranchCoverage"][];
        };
        BranchCoverage: {
            handle: string;
            times: number;
        };
        RunDifferences: {
            before: components["schemas"]["Run"];
            after: components["schemas"]["Run"];
            fields: components["schemas"]["ChangedField"][];
            nodes: components["schemas"]["ExecutionDifference"][];
            more_nodes: number;
            same: number;
        };
        ChangedField: {
            path: string;
            before: unknown;
            after: unknown;
        };
        ExecutionDifference: {
            node_id: string;
            title: string;
            rounds: number[];
            change: "added" | "changed" | "removed";
            fields: components["schemas"]["ChangedField"][];
            seconds: number[];
        };
        RunFull: {
            id: string;
            app: components["schemas"]["RunApp"];
            version: number;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            created_at: number;
            finished_at?: number;
            elapsed: number;
            tokens: number;
            price?: string;
            user: string;
            error?: components["schemas"]["RunError"];
            exceptions: components["schemas"]["RunExceptions"];
            preview?: string;
            waits_for: components["schemas"]["WaitsFor"][];
            retry_of?: string;
            conversation_id?: string;
            inputs: Record<string, never>;
            outputs: Record<string, never> | null;
            log_end: number;
            workflow_id: string;
            task_id: string;
            lineage: components["schemas"]["RunLineage"];
            callback?: components["schemas"]["RunCallback"];
        };
        RunLineage: {
            retry_of: string | null;
            from_node_ids: string[];
            retries: string[];
            replaced: {
                [key: string]: string[];
            };
            mocked: string[];
        };
        RunCallback: {
            url: string;
            state: "delivered" | "failed" | "pending";
            attempts: number;
            error: string | null;
        };
        RunList: {
            data: components["schemas"]["Run"][];
            next: string | null;
            counts: {
                [key: string]: number;
            };
            capped: boolean;
            archived_until: number | null;
        };
        RunShare: {
            id: string;
            made_by: string;
            created_at: number;
            expires_at: number;
            opened_at: number | null;
            url?: string;
        };
        RunShares: {
            data: components["schemas"]["RunShare"][];
        };
        RunStopped: {
            stopped: boolean;
            result: string;
        };
        SavedAnnotation: {
            id: string;
            question: string;
            answer: string;
            answers: boolean;
        };
        ScheduleFired: {
            timestamp: number;
        };
        Session: {
            role: "operator" | "viewer";
            name: string;
            scopes: ("apps:read" | "apps:write" | "audit:read" | "keys:write" | "knowledge:read" | "knowledge:write" | "runs:read" | "runs:write" | "system:read" | "system:write" | "tokens:write")[];
            expires_at: number;
        };
        SharedRun: {
            id: string;
            app: components["schemas"]["RunApp"];
            version: number;
            status: "failed" | "partial-succeeded" | "paused" | "running" | "stopped" | "succeeded";
            created_at: number;
            finished_at?: number;
            elapsed: number;
            tokens: number;
            price?: string;
            user: string;
            error?: components["schemas"]["RunError"];
            exceptions: components["schemas"]["RunExceptions"];
            preview?: string;
            waits_for: components["schemas"]["WaitsFor"][];
            retry_of?: string;
            conversation_id?: string;
            inputs: Record<string, never>;
            outputs: Record<string, never> | null;
            log_end: number;
            workflow_id: string;
            task_id: string;
            lineage: components["schemas"]["RunLineage"];
            callback?: components["schemas"]["RunCallback"];
            graph: components["schemas"]["Graph"];
            expires_at: number;
        };
        SuggestedQuestions: {
            data: string[];
            result: "success";
        };
        SystemInfo: {
            at: number;
            server: components["schemas"]["ServerInfo"];
            process: components["schemas"]["ProcessInfo"];
            store: components["schemas"]["StoreInfo"];
            load: components["schemas"]["LoadInfo"][];
            settings: components["schemas"]["SettingInfo"][];
            providers: components["schemas"]["ProviderInfo"][];
            sandbox: components["schemas"]["SandboxInfo"];
            callbacks: components["schemas"]["CallbackCounts"];
            to_mend: components["schemas"]["MendInfo"][];
        };
        ProcessInfo: {
            python: string;
            pid: number;
            workers: number;
            memory: number | null;
            began_at: number;
        };
        StoreInfo: {
            engine: string;
            path: string;
            bytes: number;
            wal: number;
            free: number;
            commit: number | null;
            runs: number;
            oldest_at: number | null;
            files: number;
            file_bytes: number;
        };
        LoadInfo: {
            name: "models" | "programs" | "queued" | "requests" | "runs" | "streams";
            used: number;
            limit: number | null;
        };
        SettingInfo: {
            name: string;
            value: string;
            from: "default" | "environment" | "file" | "option";
        };
        ProviderInfo: {
            name: string;
            type: string;
            host: string;
            state: "failing" | "incomplete" | "ok" | "unused";
            error: string | null;
            lacks: components["schemas"]["PhraseBody"] | null;
            hour: components["schemas"]["HourInfo"];
            apps: string[];
        };
        HourInfo: {
            requests: number;
            failed: number;
            p50: number | null;
        };
        SandboxInfo: {
            state: "checking" | "failed" | "ok" | "unavailable";
            checks: components["schemas"]["CheckInfo"][];
        };
        CallbackCounts: {
            pending: number;
            failed: number;
        };
        MendInfo: {
            level: "error" | "warning";
            about: string;
            text: string;
            mend: string | null;
            paste: string | null;
            apps: string[];
            provider: string | null;
            code: string;
            params: Record<string, never>;
            remedy: components["schemas"]["PhraseBody"] | null;
        };
        Token: {
            id: string;
            name: string;
            role: "operator" | "viewer";
            hint: string;
            created_at: number;
            used_at: number | null;
            scopes: ("apps:read" | "apps:write" | "audit:read" | "keys:write" | "knowledge:read" | "knowledge:write" | "runs:read" | "runs:write" | "system:read" | "system:write" | "tokens:write")[];
            expires_at: number | null;
            token?: string;
        };
        Tokens: {
            data: components["schemas"]["Token"][];
        };
        ToolEntries: {
            data: components["schemas"]["ToolEntry"][];
        };
        ToolEntry: {
            type: string;
            name: string;
            tools: string[] | null;
            error: string | null;
        };
        TriggerEntry: {
            id: string;
            app: components["schemas"]["RunApp"];
            node_id: string;
            title: string | null;
            kind: "plugin" | "schedule" | "webhook";
            enabled: boolean;
            path?: string;
            verified?: boolean;
            refused?: number;
            schedule?: components["schemas"]["ScheduleEntry"];
        };
        ScheduleEntry: {
            next: number[];
            paused: string | null;
            paused_until: number | null;
            recent: components["schemas"]["DueTimeEntry"][];
            error: string;
        };
        DueTimeEntry: {
            due: number;
            count: number;
            state: "skipped" | "started" | "waiting";
            at: number;
            run_id: string | null;
            why: string;
        };
        TriggerList: {
            data: components["schemas"]["TriggerEntry"][];
            next: string | null;
        };
        UndeliveredCallback: {
            run_id: string;
            app_id: string;
            url: string;
            state: "delivered" | "failed" | "pending";
            attempts: number;
            error: string | null;
            created_at: number;
            next_at: number | null;
        };
        UndeliveredCallbacks: {
            data: components["schemas"]["UndeliveredCallback"][];
        };
        UploadedApp: {
            outcome: "changed" | "new" | "refused" | "unchanged";
            name: string;
            app_id: string | null;
            version: components["schemas"]["Version"] | null;
            problems: components["schemas"]["Problem"][];
            difference: components["schemas"]["VersionDiff"] | null;
            graph?: components["schemas"]["Graph"];
        };
        VersionDiff: {
            nodes: components["schemas"]["ChangedNode"][];
            edges: components["schemas"]["ChangedEdge"][];
            features: components["schemas"]["ChangedField"][];
        };
        ChangedNode: {
            id: string;
            title: string;
            type: string;
            change: "added" | "changed" | "removed";
            fields: components["schemas"]["ChangedField"][];
        };
        ChangedEdge: {
            source: string;
            handle: string;
            target: string;
            change: "added" | "changed" | "removed";
        };
        Versions: {
            data: components["schemas"]["ListedVersion"][];
        };
        ListedVersion: {
            workflow_id: string;
            number: number;
            published_at: number;
            current: boolean;
        };
        WebhookSecret: {
            secret: string;
        };
        AnnotationRequest: {
            question: string;
            answer: string;
        };
        AnswerRating: {
            rating: ("dislike" | "like") | null;
            note: string;
        };
        EnvironmentChanges: {
            values: {
                [key: string]: string;
            };
            unset: string[];
        };
        FormAnswer: {
            action: string;
            inputs: Record<string, never>;
        };
        ImportForm: {
            files: string[];
        };
        KnowledgeQuestion: {
            query: string;
        };
        NewFile: {
            file: string;
        };
        NewSet: {
            name: string;
        };
        NewShare: {
            days: number;
        };
        NewToken: {
            name: string;
            role: "operator" | "viewer";
            scopes: ("apps:read" | "apps:write" | "audit:read" | "keys:write" | "knowledge:read" | "knowledge:write" | "runs:read" | "runs:write" | "system:read" | "system:write" | "tokens:write")[] | null;
            expires_at: number | null;
        };
        Question: {
            query: string;
            inputs: Record<string, never>;
            conversation_id: string | null;
            files: Record<string, never>[] | null;
            user: string | null;
        };
        RunRetry: {
            from_node_id: string | null;
            version: number | null;
            current: number | null;
            values: {
                [key: string]: Record<string, never>;
            };
            mocks: {
                [key: string]: Record<string, never>;
            };
        };
        RunStart: {
            inputs: Record<string, never>;
            user: string | null;
            workflow_id: string | null;
        };
        ScheduleBackfill: {
            from: number;
            to: number;
            overlap: "allow" | "cancel_other" | "queue_all" | "queue_one" | "skip";
        };
        SchedulePause: {
            reason: string;
            until: number | null;
        };
        ShareKey: {
            key: string;
        };
        SignIn: {
            token?: string;
            ticket?: string;
        };
        SystemCheck: {
            what: "sandbox" | "store";
        };
        UploadForm: {
            file: string;
            user: string;
        };
        AgentLoggedEvent: {
            id: number;
            event: "agent_logged";
            at: number;
            execution_id: string;
            node_id: string;
            entry_id: string;
            label: string;
            parent_id: string | null;
            status: "error" | "start" | "success";
            error: string | null;
            data: Record<string, never>;
            metadata: Record<string, never>;
        };
        ContainerStartedEvent: {
            id: number;
            event: "container_started";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            length: number;
            inputs: Record<string, never>;
            hides_failed_rounds: boolean;
            variables: Record<string, never>;
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
            action_text: string;
            rendered_content: string;
            data: Record<string, never>;
            expiration_time: number;
        };
        FormRequestedEvent: {
            id: number;
            event: "form_requested";
            at: number;
            execution_id: string;
            node_id: string;
            title: string;
            form_id: string;
            form: Record<string, never>;
            source: string;
            expires_at: number;
        };
        NodeAttemptedEvent: {
            id: number;
            event: "node_attempted";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            started_at: number;
            elapsed: number;
            attempt: number;
            error: string;
            error_type: string;
            inputs: Record<string, never>;
            process_data: Record<string, never>;
            outputs: Record<string, never>;
            usage: components["schemas"]["Usage"] | null;
            metadata: Record<string, never>;
        };
        Usage: {
            total_tokens: number;
            prompt_tokens: number;
            completion_tokens: number;
            total_price: string;
            currency: string;
            prompt_price: string;
            completion_price: string;
            prompt_unit_price: string;
            completion_unit_price: string;
            latency: number;
        };
        NodeFinishedEvent: {
            id: number;
            event: "node_finished";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            started_at: number;
            elapsed: number;
            status: "exception" | "failed" | "succeeded";
            inputs: Record<string, never>;
            process_data: Record<string, never>;
            outputs: Record<string, never>;
            handle: string;
            error: string | null;
            error_type: string;
            strategy: ("default-value" | "fail-branch") | null;
            updates: components["schemas"]["Update"][];
            usage: components["schemas"]["Usage"] | null;
            metadata: Record<string, never>;
            steps: number;
            resources: Record<string, never>[];
            announced: boolean;
            own_outputs: Record<string, never>;
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
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            icon: unknown;
        };
        ReasoningChunkEvent: {
            id: number;
            event: "reasoning_chunk";
            at: number;
            node_id: string;
            text: string;
            final: boolean;
            execution_id: string;
            said: string;
        };
        RoundFinishedEvent: {
            id: number;
            event: "round_finished";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            round: number;
            elapsed: number;
            outputs: Record<string, never>;
            error: string | null;
            usage: components["schemas"]["Usage"] | null;
            ended: boolean;
            last: boolean;
        };
        RoundStartedEvent: {
            id: number;
            event: "round_started";
            at: number;
            execution_id: string;
            node_id: string;
            node_type: string;
            title: string;
            index: number;
            predecessor: string | null;
            rounds: components["schemas"]["Round"][];
            round: number;
            variables: Record<string, never>;
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
            outputs: Record<string, never>;
            error: string | null;
            elapsed: number;
            total_tokens: number;
            total_steps: number;
            exceptions_count: number;
            price: string;
            currency: string;
            failed_node: components["schemas"]["FailedNode"] | null;
            exceptions: components["schemas"]["Exceptions"] | null;
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
            total_tokens: number;
            total_steps: number;
            wake_at: number | null;
        };
        RunRecoveredEvent: {
            id: number;
            event: "run_recovered";
            at: number;
            epoch: number;
            in_flight: string[];
            ready: string[];
            elapsed: number;
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
            replaced: {
                [key: string]: string[];
            };
        };
        RunStartedEvent: {
            id: number;
            event: "run_started";
            at: number;
            inputs: Record<string, never>;
            system: Record<string, never>;
            turn: components["schemas"]["Turn"] | null;
            depth: number;
            trace: string;
            entry: string;
            mocks: {
                [key: string]: Record<string, never>;
            };
        };
        Turn: {
            conversation_id: string;
            message_id: string;
            variables: Record<string, never>;
            cites: boolean;
            streamed: boolean;
            mode: string;
            is_trial: boolean;
        };
        StepRecordedEvent: {
            id: number;
            event: "step_recorded";
            at: number;
            execution_id: string;
            kind: "model" | "tool";
            request: string;
            answer: unknown;
            usage: components["schemas"]["Usage"] | null;
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
            reason: string;
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
export type operations = Record<string, never>;
