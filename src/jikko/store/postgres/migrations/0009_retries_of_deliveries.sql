-- readers: 5
-- Deliveries whose runs are retried if they fail.

ALTER TABLE deliveries
  ADD COLUMN retries int4 NOT NULL DEFAULT 0, -- as its trigger asked for them
  ADD COLUMN look_at float8, -- when to look at it next; NULL: never
  ADD COLUMN dead_at float8; -- when its last retry had failed

CREATE INDEX deliveries_by_look ON deliveries (look_at) WHERE look_at IS NOT NULL;

CREATE INDEX deliveries_dead ON deliveries (dead_at) WHERE dead_at IS NOT NULL;
