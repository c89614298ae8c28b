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
