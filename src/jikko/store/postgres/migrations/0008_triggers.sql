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
