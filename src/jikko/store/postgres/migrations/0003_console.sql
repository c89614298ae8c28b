-- The console: who may enter, and what its lists of runs and conversations go by ---------------------------------------

CREATE TABLE console_tokens (
  key bigint GENERATED ALWAYS AS IDENTITY,
  token_id bytea PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL, -- operator, viewer
  digest bytea NOT NULL UNIQUE, -- SHA-256
  hint text NOT NULL,
  created_at float8 NOT NULL,
  used_at float8
);

CREATE TABLE console_sessions (
  digest bytea PRIMARY KEY, -- SHA-256 of the cookie
  source text NOT NULL, -- the id of a token, `link`, or `setting ` and what the setting was
  name text NOT NULL,
  role text NOT NULL,
  created_at float8 NOT NULL,
  used_at float8 NOT NULL
);

CREATE INDEX console_sessions_by_age ON console_sessions (created_at);

-- Links that open the console once.
CREATE TABLE console_tickets (
  digest bytea PRIMARY KEY, -- SHA-256
  role text NOT NULL,
  expires_at float8 NOT NULL
);

CREATE INDEX open_runs_by_age ON open_runs (created_at, key);

CREATE INDEX runs_of_version ON runs (workflow_id, created_at, key, status);

-- Short and successful runs, which are many, are in none of these.
CREATE INDEX runs_ended_badly ON runs (created_at, key, status) WHERE status > 2;

CREATE INDEX runs_that_took_long ON runs (elapsed) WHERE elapsed >= 1.0;

CREATE INDEX runs_with_a_price ON runs (created_at) WHERE price IS NOT NULL;

CREATE INDEX conversations_of_session ON conversations (app_id, session, updated_at, key);
