-- readers: 5
-- Runs of the archive that repeat others: what is asked for by the run that they repeat, and not by their own ids.

CREATE TABLE archived_retries (
  archive bigint NOT NULL REFERENCES archives (key) ON DELETE CASCADE,
  retry_of bytea NOT NULL,
  run_id bytea NOT NULL,
  status int2 NOT NULL,
  created_at float8 NOT NULL,
  PRIMARY KEY (archive, run_id)
);

CREATE INDEX archived_retries_of_run ON archived_retries (retry_of);
