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
