-- One file holds everything that one peer knows about one channel.
--
-- A transaction's place in the chain is one number, pos = block * 2^24 + index,
-- so that a version in the state is also the key of the transaction that wrote it:
--   SELECT s.key, t.code FROM state s JOIN tx t ON t.pos = s.pos

-- How far the file is. Written in the same transaction as everything else.
CREATE TABLE savepoint (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  channel     TEXT    NOT NULL,
  height      INTEGER NOT NULL, -- number of blocks
  hash        BLOB,             -- header hash of the last block
  commit_hash BLOB              -- commit hash of the last block, NULL after block 0
);

CREATE TABLE block (
  number    INTEGER PRIMARY KEY,
  hash      BLOB    NOT NULL, -- of the header
  previous  BLOB,
  data_hash BLOB,
  txs       INTEGER NOT NULL, -- transactions in it
  metadata  BLOB    NOT NULL  -- common.BlockMetadata, filter and commit hash included
);
CREATE INDEX block_hash ON block (hash);

-- The envelopes of a block, in order, about 64 KiB together: the certificates in
-- them are much the same, so that a segment compresses to a quarter.
CREATE TABLE segment (
  pos  INTEGER PRIMARY KEY, -- of the first envelope in it
  data BLOB NOT NULL        -- S2 block of: length as varint, bytes, and so on
);

CREATE TABLE tx (
  pos  INTEGER PRIMARY KEY,
  id   BLOB,             -- 32 bytes for an id in the usual form, else its text, NULL for none
  code INTEGER NOT NULL, -- the filter byte
  -- The history of keys is a chain through the transactions: for each public write
  -- of this one, then for each metadata write, namespace by namespace, how many
  -- positions before it the key was written last, as varint; 0 for never. NULL
  -- for never only. The chain of a key begins at its row in state, or in gone.
  prev BLOB
);

-- Finds transactions by id. Only a hash of the id, because it is written in
-- random order: less to write. An id may occur again; the first occurrence counts.
CREATE TABLE tx_id (
  hash INTEGER NOT NULL, -- first 8 bytes of the SHA-256 of the id's text
  pos  INTEGER NOT NULL,
  PRIMARY KEY (hash, pos)
) WITHOUT ROWID;

CREATE TABLE state (
  ns       TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  pos      INTEGER NOT NULL, -- version: who wrote it last
  value    BLOB    NOT NULL,
  metadata BLOB,
  PRIMARY KEY (ns, key)
) WITHOUT ROWID;

-- Keys that were deleted, so that their history can be found.
CREATE TABLE gone (
  ns  TEXT    NOT NULL,
  key TEXT    NOT NULL,
  pos INTEGER NOT NULL, -- who deleted it last
  PRIMARY KEY (ns, key)
) WITHOUT ROWID;

-- The public part of private data: hashes only, the same at every peer.
CREATE TABLE hashed (
  ns         TEXT    NOT NULL,
  coll       TEXT    NOT NULL,
  key_hash   BLOB    NOT NULL,
  pos        INTEGER NOT NULL,
  value_hash BLOB    NOT NULL,
  metadata   BLOB,
  PRIMARY KEY (ns, coll, key_hash)
) WITHOUT ROWID;

-- Private data in plain text, as far as this peer has it.
CREATE TABLE private (
  ns       TEXT    NOT NULL,
  coll     TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  key_hash BLOB    NOT NULL,
  pos      INTEGER NOT NULL, -- version; older than the hashed entry's when a write never arrived
  value    BLOB    NOT NULL,
  PRIMARY KEY (ns, coll, key)
) WITHOUT ROWID;
CREATE INDEX private_hash ON private (ns, coll, key_hash);

-- The private write sets that were committed, entry by entry: to serve them
-- with their blocks and to rebuild the table above. A purge removes entries.
CREATE TABLE private_write (
  pos      INTEGER NOT NULL,
  ns       TEXT    NOT NULL,
  coll     TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  kind     INTEGER NOT NULL, -- 0 put, 1 delete, 2 metadata only
  key_hash BLOB    NOT NULL,
  value    BLOB,
  PRIMARY KEY (pos, ns, coll, key, kind)
) WITHOUT ROWID;
CREATE INDEX private_write_hash ON private_write (ns, coll, key_hash);

-- Private write sets of transactions that were endorsed and not committed yet.
CREATE TABLE transient (
  seq    INTEGER PRIMARY KEY,
  txid   TEXT    NOT NULL,
  height INTEGER NOT NULL, -- when it was endorsed
  pvt    BLOB    NOT NULL  -- rwset.TxPvtReadWriteSet
);
CREATE INDEX transient_txid ON transient (txid);
