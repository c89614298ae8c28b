-- What is promised with a run, and what belongs to it -----------------------------------------------------------------
-- A column of type ANY holds an id: 16 bytes if it is a UUID, else its text.

-- The run that an idempotency key of an app belongs to. Rows outlive their time until the next key is claimed.
CREATE TABLE idempotency_keys (
  app_id ANY NOT NULL,
  key TEXT NOT NULL,
  run_id ANY NOT NULL,
  fingerprint BLOB NOT NULL, -- of the request
  expires_at REAL NOT NULL,
  PRIMARY KEY (app_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (expires_at);

-- Runs that repeat another one.
CREATE INDEX runs_retrying ON runs (retry_of) WHERE retry_of IS NOT NULL;

-- Where a run is reported to once it has ended.
CREATE TABLE callbacks (
  run_id ANY PRIMARY KEY NOT NULL,
  app_id ANY NOT NULL,
  url TEXT NOT NULL,
  created_at REAL NOT NULL,
  state INTEGER NOT NULL, -- 0 to be delivered, 1 delivered, 2 given up
  attempts INTEGER NOT NULL,
  first_at REAL, -- the first attempt, or the first after it was resent
  next_at REAL NOT NULL, -- not to be tried before
  finished_at REAL, -- when it was delivered or given up
  error TEXT -- of the last attempt
) STRICT, WITHOUT ROWID;

CREATE INDEX callbacks_due ON callbacks (next_at) WHERE state = 0;

CREATE TABLE webhook_secrets (
  app_id ANY PRIMARY KEY NOT NULL,
  secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- When a run took the file as an input last; retention counts from then.
ALTER TABLE files ADD COLUMN used_at REAL;
