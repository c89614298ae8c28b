-- readers: 5
-- Scopes and ends of tokens, and who changed what. Servers that do not know scopes take such a token for a viewer's.

ALTER TABLE console_tokens
  ADD COLUMN scopes text, -- a JSON array; NULL: those of its role
  ADD COLUMN expires_at float8; -- NULL: never

ALTER TABLE console_sessions
  ADD COLUMN scopes text, -- those of the token
  ADD COLUMN expires_at float8; -- when the token expires

-- Only added to.
CREATE TABLE audit (
  entry_id bytea PRIMARY KEY, -- in the order of time
  at float8 NOT NULL,
  actor text NOT NULL, -- the name of a token or session, or the user of the system
  source text NOT NULL, -- the id of the token; empty for none
  via text NOT NULL, -- api, console, cli
  action text NOT NULL, -- the operation or command
  target text NOT NULL, -- what was changed
  app_id bytea,
  value_before text, -- JSON; NULL: nothing to tell
  value_after text
);

CREATE INDEX audit_of_app ON audit (app_id, entry_id) WHERE app_id IS NOT NULL;
