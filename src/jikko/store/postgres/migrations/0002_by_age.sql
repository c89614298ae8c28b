-- For retention, which goes over all apps from the oldest on.

CREATE INDEX runs_by_age ON runs (created_at);

CREATE INDEX conversations_by_age ON conversations (updated_at);
