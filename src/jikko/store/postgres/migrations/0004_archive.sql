-- The archive: which objects of the bucket have runs that are no longer here ---------------------------------------------

CREATE TABLE archives (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  path text NOT NULL UNIQUE, -- of the object
  size int8 NOT NULL, -- bytes
  check_sum int8 NOT NULL, -- CRC-32 of its end
  runs int4 NOT NULL,
  first_id bytea NOT NULL, -- of its runs, both of one day
  last_id bytea NOT NULL,
  first_created float8 NOT NULL, -- when the first of them was created
  last_created float8 NOT NULL,
  last_finished float8 NOT NULL
);

CREATE INDEX archives_by_id ON archives (last_id, first_id);

CREATE INDEX archives_by_age ON archives (last_finished);

CREATE INDEX archives_by_creation ON archives (last_created);

-- Whose runs these are, so that they can be removed.
CREATE TABLE archived_users (
  archive bigint NOT NULL REFERENCES archives (key) ON DELETE CASCADE,
  app_id bytea NOT NULL,
  end_user_id bytea NOT NULL,
  runs int4 NOT NULL,
  PRIMARY KEY (archive, app_id, end_user_id)
);

CREATE INDEX archived_users_by_user ON archived_users (app_id, end_user_id);
