-- Schedules ---------------------------------------------------------------------------------------------------------

CREATE TABLE schedules (
  trigger_id TEXT NOT NULL PRIMARY KEY REFERENCES app_triggers (trigger_id) ON DELETE CASCADE,
  plan TEXT NOT NULL, -- a digest of the configuration; empty: not planned yet
  changed_at REAL NOT NULL, -- published, or switched on again
  handled REAL NOT NULL, -- due times up to here are done with
  wake REAL, -- when to look at it next
  paused TEXT, -- why; NULL: it is not
  paused_until REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_by_wake ON schedules (wake) WHERE wake IS NOT NULL;

-- What became of due times: one row for each, or for several that were skipped together.
CREATE TABLE due_times (
  trigger_id TEXT NOT NULL REFERENCES app_triggers (trigger_id) ON DELETE CASCADE,
  due REAL NOT NULL,
  last REAL NOT NULL,
  count INTEGER NOT NULL,
  state TEXT NOT NULL, -- waiting, started, skipped
  at REAL NOT NULL,
  run_id TEXT, -- of one that was started
  why TEXT NOT NULL,
  PRIMARY KEY (trigger_id, due)
) STRICT, WITHOUT ROWID;

CREATE INDEX due_times_waiting ON due_times (trigger_id, due) WHERE state = 'waiting';

CREATE INDEX due_times_by_age ON due_times (trigger_id, at, due);

INSERT INTO schedules (trigger_id, plan, changed_at, handled, wake)
SELECT trigger_id, '', created_at, created_at, 0 FROM app_triggers WHERE kind = 'schedule';
