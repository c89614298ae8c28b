-- readers: 5
-- Trigger nodes of apps: one row for each that a version of an app ever had.

CREATE TABLE app_triggers (
  key bigint GENERATED ALWAYS AS IDENTITY,
  trigger_id bytea PRIMARY KEY,
  app_id bytea NOT NULL REFERENCES apps (app_id) ON DELETE CASCADE,
  node text NOT NULL, -- its id in the file
  kind text NOT NULL, -- webhook, schedule, plugin
  address text UNIQUE, -- of a webhook
  enabled boolean NOT NULL,
  created_at float8 NOT NULL,
  UNIQUE (app_id, node)
);

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

-- Calls of webhooks, and what became of them.

CREATE TABLE deliveries (
  delivery_id bytea PRIMARY KEY,
  app_id bytea NOT NULL,
  trigger_id bytea NOT NULL, -- app_triggers
  received_at float8 NOT NULL,
  verdict text NOT NULL, -- accepted, duplicate, refused
  reason text NOT NULL, -- why it was refused
  sender text NOT NULL, -- the id that the sender gave it
  method text NOT NULL,
  size int8 NOT NULL, -- bytes of the body
  run_id bytea,
  discarded_at float8
);

CREATE INDEX deliveries_of_trigger ON deliveries (trigger_id, received_at, delivery_id);

-- Refused calls and duplicates, of which each trigger has few.
CREATE INDEX deliveries_not_accepted ON deliveries (trigger_id, verdict, received_at) WHERE verdict <> 'accepted';

CREATE INDEX deliveries_received ON deliveries (received_at);
