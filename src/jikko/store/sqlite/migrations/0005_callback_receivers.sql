-- Call-backs by their receivers, and those of open runs apart ---------------------------------------------------------

-- Host and port of the address.
ALTER TABLE callbacks ADD COLUMN receiver TEXT NOT NULL DEFAULT '';

UPDATE callbacks SET receiver = lower(substr(url, instr(url, '://') + 3));

UPDATE callbacks SET receiver = substr(receiver, 1, min(
  instr(receiver || '/', '/'), instr(receiver || '?', '?'), instr(receiver || '#', '#')) - 1);

UPDATE callbacks SET receiver = substr(receiver, instr(receiver, '@') + 1);

-- `state` has one more value: 3, the run has not ended. Such a row is in neither index.
UPDATE callbacks SET state = 3 WHERE state = 0 AND run_id IN (SELECT run_id FROM runs WHERE status < 2);

DROP INDEX callbacks_due;

CREATE INDEX callbacks_due ON callbacks (receiver, next_at) WHERE state = 0;

CREATE INDEX callbacks_undelivered ON callbacks (created_at, run_id) WHERE state IN (0, 2);
