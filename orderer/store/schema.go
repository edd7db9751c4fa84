package store

// FileMark marks the file as one of ours: "fsor".
const FileMark = 0x66736f72

// migrations make the file. A Raft entry's body is stored once: as long as it is
// in Raft's log it is an entry, and when it is applied a small row in block
// refers to it. Raft's log is the window of entries from stable's "first" on;
// rows before it, and rows with type -1, are only bodies of blocks.
var migrations = []string{`
CREATE TABLE entry (
	idx  INTEGER PRIMARY KEY, -- Raft index; 0 holds the genesis block's body
	term INTEGER NOT NULL,
	type INTEGER NOT NULL,    -- raft.LogType; -1 = fetched from another node
	at   INTEGER NOT NULL,    -- when the leader appended it, ns since 1970
	data BLOB NOT NULL,
	ext  BLOB
);
CREATE TABLE block (
	number   INTEGER PRIMARY KEY,
	idx      INTEGER NOT NULL, -- entry with the body
	previous BLOB NOT NULL,    -- hash of the block before
	datahash BLOB NOT NULL,
	metadata BLOB NOT NULL     -- marshalled common.BlockMetadata
);
CREATE TABLE stable (name BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshot (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	idx    INTEGER NOT NULL,
	term   INTEGER NOT NULL,
	config BLOB NOT NULL,      -- encoded raft.Configuration
	at     INTEGER NOT NULL,   -- index of the configuration's entry
	data   BLOB NOT NULL
);
`, `-- From here on every page carries a checksum. A program that does not know that must not
-- write to the file any more.
SELECT 1`}
