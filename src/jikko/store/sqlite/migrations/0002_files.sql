-- Files: what is known of each; the content is elsewhere, by its digest ----------------------------------------------
-- A column of type ANY holds an id: 16 bytes if it is a UUID, else its text.

CREATE TABLE files (
  key INTEGER PRIMARY KEY,
  file_id ANY NOT NULL UNIQUE,
  app_id ANY NOT NULL,
  end_user_id ANY NOT NULL,
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  extension TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  digest BLOB NOT NULL, -- SHA-256
  created_at REAL NOT NULL,
  origin INTEGER NOT NULL -- 0 uploaded, 1 made by a node
) STRICT;

CREATE INDEX files_of_app ON files (app_id, created_at);

CREATE INDEX files_by_age ON files (created_at);

CREATE INDEX files_by_digest ON files (digest);
