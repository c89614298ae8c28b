-- readers: 5
-- The server looks at what was added after every fiftieth of a table, not after every fifth or tenth: lists count by an
-- index alone where a page is known to be seen by all, and ways to runs are chosen by figures of these.

ALTER TABLE runs SET (
  autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.02
);

ALTER TABLE messages SET (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
