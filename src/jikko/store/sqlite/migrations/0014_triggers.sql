-- Trigger nodes of apps -----------------------------------------------------------------------------------------------

-- One row for each trigger node that a version of an app ever had.
CREATE TABLE app_triggers (
  key INTEGER PRIMARY KEY,
  trigger_id TEXT NOT NULL UNIQUE,
  app_id TEXT NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  node TEXT NOT NULL, -- its id in the file
  kind TEXT NOT NULL, -- webhook, schedule, plugin
  address TEXT UNIQUE, -- of a webhook
  enabled INTEGER NOT NULL,
  created_at REAL NOT NULL,
  UNIQUE (app_id, node)
) STRICT;

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

-- Calls of webhooks, and what became of them ----------------------------------------------------------------------------
CREATE TABLE deliveries (
  delivery_id ANY NOT NULL PRIMARY KEY,
  app_id ANY NOT NULL,
  trigger_id ANY NOT NULL, -- app_triggers
  received_at REAL NOT NULL,
  verdict TEXT NOT NULL, -- accepted, duplicate, refused
  reason TEXT NOT NULL, -- why it was refused
  sender TEXT NOT NULL, -- the id that the sender gave it
  method TEXT NOT NULL,
  size INTEGER NOT NULL, -- bytes of the body
  run_id ANY,
  discarded_at REAL
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_of_trigger ON deliveries (trigger_id, received_at, delivery_id);

-- Refused calls and duplicates, of which each trigger has few.
CREATE INDEX deliveries_not_accepted ON deliveries (trigger_id, verdict, received_at) WHERE verdict <> 'accepted';

CREATE INDEX deliveries_received ON deliveries (received_at);
