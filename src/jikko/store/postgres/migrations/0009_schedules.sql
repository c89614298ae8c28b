-- readers: 5
-- Schedules, and what became of their due times: one row for each, or for several that were skipped together.

CREATE TABLE schedules (
  trigger_id bytea PRIMARY KEY REFERENCES app_triggers (trigger_id) ON DELETE CASCADE,
  plan text NOT NULL, -- a digest of the configuration; empty: not planned yet
  changed_at float8 NOT NULL, -- published, or switched on again
  handled float8 NOT NULL, -- due times up to here are done with
  wake float8, -- when to look at it next
  paused text, -- why; NULL: it is not
  paused_until float8
);

CREATE INDEX schedules_by_wake ON schedules (wake, trigger_id) WHERE wake IS NOT NULL;

CREATE TABLE due_times (
  trigger_id bytea NOT NULL REFERENCES app_triggers (trigger_id) ON DELETE CASCADE,
  due float8 NOT NULL,
  last float8 NOT NULL,
  count int4 NOT NULL,
  state text NOT NULL, -- waiting, started, skipped
  at float8 NOT NULL,
  run_id bytea, -- of one that was started
  why text NOT NULL,
  PRIMARY KEY (trigger_id, due)
);

CREATE INDEX due_times_waiting ON due_times (trigger_id, due) WHERE state = 'waiting';

CREATE INDEX due_times_by_age ON due_times (trigger_id, at, due);

INSERT INTO schedules (trigger_id, plan, changed_at, handled, wake)
SELECT trigger_id, '', created_at, created_at, 0 FROM app_triggers WHERE kind = 'schedule';
