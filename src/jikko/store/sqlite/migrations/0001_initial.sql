-- Apps, their versions and keys ------------------------------------------------------------------------------------

CREATE TABLE apps (
  key INTEGER PRIMARY KEY,
  app_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  mode TEXT NOT NULL,
  description TEXT NOT NULL,
  icon_type TEXT NOT NULL,
  icon TEXT NOT NULL,
  icon_background TEXT NOT NULL,
  use_icon_as_answer_icon INTEGER NOT NULL,
  created_at REAL NOT NULL,
  workflow_id TEXT NOT NULL
) STRICT;

CREATE TABLE workflows (
  key INTEGER PRIMARY KEY,
  app_id TEXT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  workflow_id TEXT NOT NULL COLLATE NOCASE,
  number INTEGER NOT NULL,
  version TEXT NOT NULL,
  source BLOB NOT NULL, -- zlib
  created_at REAL NOT NULL,
  UNIQUE (app_id, workflow_id),
  UNIQUE (app_id, number)
) STRICT;

CREATE TABLE api_keys (
  key_id TEXT PRIMARY KEY,
  app_id TEXT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  digest BLOB NOT NULL UNIQUE, -- SHA-256
  hint TEXT NOT NULL,
  created_at REAL NOT NULL
) STRICT;

CREATE INDEX api_keys_of_app ON api_keys (app_id, created_at);

-- Runs -------------------------------------------------------------------------------------------------------------
-- A column of type ANY holds an id: 16 bytes if it is a UUID, else its text.

-- Text that many runs repeat (ids of apps and versions), so that a run holds a small number instead. Never removed.
CREATE TABLE names (
  key INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE end_users (
  key INTEGER PRIMARY KEY,
  app INTEGER NOT NULL, -- names
  session TEXT NOT NULL, -- the `user` of the request
  end_user_id ANY NOT NULL,
  UNIQUE (app, session, end_user_id)
) STRICT;

CREATE INDEX end_users_by_id ON end_users (end_user_id);

CREATE TABLE runs (
  key INTEGER PRIMARY KEY,
  run_id ANY NOT NULL UNIQUE,
  task_id ANY NOT NULL,
  app INTEGER NOT NULL, -- names
  workflow INTEGER NOT NULL, -- names
  version INTEGER NOT NULL, -- names
  end_user INTEGER NOT NULL, -- end_users
  status INTEGER NOT NULL, -- 0 running, 1 paused, 2 succeeded, 3 failed, 4 stopped, 5 partial-succeeded
  epoch INTEGER NOT NULL,
  log_end INTEGER NOT NULL, -- how many events the log has
  total_tokens INTEGER NOT NULL,
  total_steps INTEGER NOT NULL,
  exceptions_count INTEGER NOT NULL,
  created_at REAL NOT NULL,
  finished_at REAL,
  wake_at REAL, -- when a paused run goes on by itself
  elapsed REAL NOT NULL,
  retry_of ANY,
  error TEXT,
  lease_owner TEXT,
  lease_until REAL,
  outputs BLOB NOT NULL,
  inputs TEXT NOT NULL
) STRICT;

-- For the list of logs: enough to count and to find a page without touching the rows.
CREATE INDEX runs_listed ON runs (app, created_at, status);

CREATE INDEX runs_unsuccessful ON runs (app, status, created_at) WHERE status > 2;

CREATE INDEX runs_of_user ON runs (end_user, created_at, status);

CREATE INDEX runs_waking ON runs (wake_at) WHERE status = 1;

CREATE INDEX runs_open ON runs (task_id) WHERE status < 2;

-- How many runs an app has in each status; kept in the transaction that changes it.
CREATE TABLE run_totals (
  app INTEGER NOT NULL, -- names
  status INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  PRIMARY KEY (app, status)
) STRICT, WITHOUT ROWID;

-- The same by the hour in which they were created, counted from the Unix epoch.
CREATE TABLE run_hours (
  app INTEGER NOT NULL, -- names
  hour INTEGER NOT NULL,
  status INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  PRIMARY KEY (app, hour, status)
) STRICT, WITHOUT ROWID;

-- The log of an open run: a JSON array for each append.
CREATE TABLE run_log (
  run INTEGER NOT NULL, -- runs
  position INTEGER NOT NULL, -- of the first event in the array
  events BLOB NOT NULL,
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

-- The log of a closed run, whole. The first byte of `events` names the format.
CREATE TABLE run_archive (
  run INTEGER PRIMARY KEY, -- runs
  events BLOB NOT NULL
) STRICT;
