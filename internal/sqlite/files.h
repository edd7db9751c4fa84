// The layer between SQLite and the files of one database: see files.go.
#ifndef FABRISCOPE_SQLITE_FILES_H
#define FABRISCOPE_SQLITE_FILES_H

#include <stdint.h>

typedef struct disk disk;   // shared by databases: how fast they may sync
typedef struct layer layer; // one database's

// sync_record is one wait for the disk.
typedef struct {
	int64_t took;  // ns
	int64_t bytes; // written since the file's last one
	int32_t log;   // the write-ahead log's
	int32_t background;
} sync_record;

disk *disk_new(int64_t bytes_per_second);
void disk_free(disk *d);

// layer_new registers two names with SQLite, for connections whose syncs somebody
// waits for and for those in the background. NULL when there is nothing to build on.
layer *layer_new(disk *d, const char *journal);
const char *layer_name(layer *l, int background);

// layer_release forgets the names; the memory goes with the last file.
void layer_release(layer *l);

// layer_take gives the oldest record that was not taken yet; 0 when there is none.
int layer_take(layer *l, sync_record *r);

// layer_logged is how many bytes have been written to the log.
int64_t layer_logged(layer *l);

// layer_sums tells whether the file's pages carry checksums.
int layer_sums(layer *l);

// layer_bad is the last page that was found not to have its checksum, from 1; 0 is none.
int64_t layer_bad(layer *l);

// layer_written is how many bytes have been written to the file itself.
int64_t layer_written(layer *l);

#endif
