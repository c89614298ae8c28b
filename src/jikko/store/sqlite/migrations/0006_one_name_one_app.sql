-- An app has its name alone, and a data folder its id ----------------------------------------------------------------

-- Two imports at once could make two apps of one name. The oldest keeps it, and the others are numbered: `X (2)`.
UPDATE apps SET name = apps.name || ' (' || namesakes.number || ')'
FROM (SELECT key, row_number() OVER (PARTITION BY name ORDER BY created_at, key) AS number FROM apps) AS namesakes
WHERE apps.key = namesakes.key AND namesakes.number > 1 AND NOT EXISTS (
  SELECT 1 FROM apps AS other WHERE other.name = apps.name || ' (' || namesakes.number || ')'
);

-- Where another app was called just that, by their ids.
UPDATE apps SET name = apps.name || ' (' || apps.app_id || ')'
FROM (SELECT key, row_number() OVER (PARTITION BY name ORDER BY created_at, key) AS number FROM apps) AS namesakes
WHERE apps.key = namesakes.key AND namesakes.number > 1;

CREATE UNIQUE INDEX apps_by_name ON apps (name);

-- One row: what the data folder is known by. Copies of it have the same.
CREATE TABLE data_folder (
  id TEXT NOT NULL
) STRICT;

INSERT INTO data_folder (id) VALUES (lower(hex(randomblob(16))));
