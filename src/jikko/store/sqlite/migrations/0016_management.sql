-- Scopes and ends of tokens, and who changed what ------------------------------------------------------------------------
ALTER TABLE console_tokens ADD COLUMN scopes TEXT; -- a JSON array; NULL: those of its role
ALTER TABLE console_tokens ADD COLUMN expires_at REAL; -- NULL: never
ALTER TABLE console_sessions ADD COLUMN scopes TEXT; -- those of the token
ALTER TABLE console_sessions ADD COLUMN expires_at REAL; -- when the token expires

-- Only added to.
CREATE TABLE audit (
  entry_id TEXT PRIMARY KEY, -- in the order of time
  at REAL NOT NULL,
  actor TEXT NOT NULL, -- the name of a token or session, or the user of the system
  source TEXT NOT NULL, -- the id of the token; empty for none
  via TEXT NOT NULL, -- api, console, cli
  action TEXT NOT NULL, -- the operation or command
  target TEXT NOT NULL, -- what was changed
  app_id TEXT,
  value_before TEXT, -- JSON; NULL: nothing to tell
  value_after TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_of_app ON audit (app_id, entry_id) WHERE app_id IS NOT NULL;
