-- readers: 1
-- A vector of more than some 4,000 numbers finds no room in a page, which no row may be larger than: such a one goes
-- behind its row. All others stay where they are.

ALTER TABLE knowledge.node ALTER COLUMN vector SET STORAGE MAIN;
