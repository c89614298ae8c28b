-- readers: 3
-- What a process has to know to execute an open run: see LOG_FORMAT in events.py.

ALTER TABLE open_runs ADD COLUMN format int2 NOT NULL DEFAULT 1;
