-- Over all apps, by age: for retention, and for the lists of the console. The status is in the index, so that what is
-- counted need not be looked up.

CREATE INDEX runs_by_age ON runs (created_at, key, status);

CREATE INDEX conversations_by_age ON conversations (updated_at);
