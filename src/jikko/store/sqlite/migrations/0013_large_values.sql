-- Large values are written in pieces, in transactions of their own, before the row that refers to them ---------------

-- A value that is being written, or that a row refers to: `run_inputs` by its number, `run_log` and `run_archive` by a
-- blob that begins with x'7F'.
CREATE TABLE large_values (
  value INTEGER PRIMARY KEY, -- a random number
  run INTEGER, -- runs; NULL until a row refers to it
  begun_at REAL NOT NULL
) STRICT;

CREATE INDEX large_values_by_run ON large_values (run, begun_at);

CREATE TABLE large_pieces (
  value INTEGER NOT NULL, -- large_values
  number INTEGER NOT NULL, -- from 0 on
  bytes BLOB NOT NULL,
  PRIMARY KEY (value, number)
) STRICT, WITHOUT ROWID;

-- The inputs lie in this value, and `text` is empty.
ALTER TABLE run_inputs ADD COLUMN value INTEGER; -- large_values
