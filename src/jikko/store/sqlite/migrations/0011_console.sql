-- The console: who may enter, and what its list of runs goes by -------------------------------------------------------

CREATE TABLE console_tokens (
  token_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL, -- operator, viewer
  digest BLOB NOT NULL UNIQUE, -- SHA-256
  hint TEXT NOT NULL,
  created_at REAL NOT NULL,
  used_at REAL
) STRICT;

CREATE TABLE console_sessions (
  digest BLOB PRIMARY KEY, -- SHA-256 of the cookie
  source TEXT NOT NULL, -- the id of a token, `link`, or `setting ` and what the setting was
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at REAL NOT NULL,
  used_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX console_sessions_by_age ON console_sessions (created_at);

-- Links that open the console once.
CREATE TABLE console_tickets (
  digest BLOB PRIMARY KEY, -- SHA-256
  role TEXT NOT NULL,
  expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE api_keys ADD COLUMN used_at REAL;

-- Of a run that has ended, and NULL where there is nothing to tell:
ALTER TABLE runs ADD COLUMN price TEXT; -- a decimal number and a currency
ALTER TABLE runs ADD COLUMN failed_node TEXT; -- id and title of the node that it failed at, a JSON array
ALTER TABLE runs ADD COLUMN exceptions TEXT; -- failed tries, handled failures and failed rounds, a JSON array

-- What model calls cost, by the hour in which their runs were created, counted from the Unix epoch.
CREATE TABLE run_costs (
  app INTEGER NOT NULL, -- names
  hour INTEGER NOT NULL,
  currency TEXT NOT NULL,
  cost REAL NOT NULL,
  PRIMARY KEY (app, hour, currency)
) STRICT, WITHOUT ROWID;

-- Over all apps. Short runs, which are many, are in few of these.
CREATE INDEX runs_newest ON runs (created_at);

CREATE INDEX runs_of_version ON runs (workflow, created_at, status);

CREATE INDEX runs_going_on ON runs (status, created_at) WHERE status < 2;

CREATE INDEX runs_ended_badly ON runs (status, created_at) WHERE status > 2;

CREATE INDEX runs_that_took_long ON runs (elapsed) WHERE elapsed >= 1.0;
