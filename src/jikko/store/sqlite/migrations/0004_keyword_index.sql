-- Which runs may contain a keyword ------------------------------------------------------------------------------------
-- The index proper is made by the code (keyword_index.py), since not every build of SQLite can read it: full-text
-- tables `keyword_part_<part>` whose documents are blocks of four runs with neighbouring keys, and views of their
-- terms, `keyword_terms_<part>`.

-- One row.
CREATE TABLE keyword_index (
  next_block INTEGER NOT NULL -- the runs of all blocks before it are in the index, or in keyword_left_out
) STRICT;

INSERT INTO keyword_index (next_block) VALUES (0);

-- The parts that exist.
CREATE TABLE keyword_parts (
  part INTEGER PRIMARY KEY
) STRICT;

-- Runs before `next_block` that are not in the index, and are looked into at every search.
CREATE TABLE keyword_left_out (
  run INTEGER PRIMARY KEY, -- runs
  large INTEGER NOT NULL -- 0: it was open, 1: its text is too large
) STRICT;
