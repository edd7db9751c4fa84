-- The newest entries of tx_id wait in memory (txindex.go). All entries before this
-- position are in the table; those after it are made from tx when the file is opened.
ALTER TABLE savepoint ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
UPDATE savepoint SET indexed = height << 24; -- until now all of them were
