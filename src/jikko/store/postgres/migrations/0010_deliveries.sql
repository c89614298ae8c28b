-- readers: 5
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
