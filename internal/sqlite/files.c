#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// What SQLite's public interface for file systems looks like (sqlite.org/vfs.html).
// The header itself is inside of another module, which does not hand it out.
typedef struct vfs vfs;
typedef struct io_methods io_methods;
typedef struct { const io_methods *methods; } file;

struct io_methods {
	int version;
	int (*close)(file *);
	int (*read)(file *, void *, int, int64_t);
	int (*write)(file *, const void *, int, int64_t);
	int (*truncate)(file *, int64_t);
	int (*sync)(file *, int);
	int (*size)(file *, int64_t *);
	int (*lock)(file *, int);
	int (*unlock)(file *, int);
	int (*reserved)(file *, int *);
	int (*control)(file *, int, void *);
	int (*sector)(file *);
	int (*device)(file *);
	int (*shm_map)(file *, int, int, int, void volatile **);
	int (*shm_lock)(file *, int, int, int);
	void (*shm_barrier)(file *);
	int (*shm_unmap)(file *, int);
	int (*fetch)(file *, int64_t, int, void **);
	int (*unfetch)(file *, int64_t, void *);
};

struct vfs {
	int version;
	int file_size;
	int max_path;
	vfs *next;
	const char *name;
	void *data;
	int (*open)(vfs *, const char *, file *, int, int *);
	int (*delete)(vfs *, const char *, int);
	int (*access)(vfs *, const char *, int, int *);
	int (*full_path)(vfs *, const char *, int, char *);
	void *(*dl_open)(vfs *, const char *);
	void (*dl_error)(vfs *, int, char *);
	void (*(*dl_sym)(vfs *, void *, const char *))(void);
	void (*dl_close)(vfs *, void *);
	int (*randomness)(vfs *, int, char *);
	int (*sleep)(vfs *, int);
	int (*time)(vfs *, double *);
	int (*last_error)(vfs *, int, char *);
	int (*time64)(vfs *, int64_t *);
	int (*set_call)(vfs *, const char *, void (*)(void));
	void (*(*get_call)(vfs *, const char *))(void);
	const char *(*next_call)(vfs *, const char *);
};

// Weak, because cgo links each package by itself once; in the program they are there.
extern vfs *sqlite3_vfs_find(const char *) __attribute__((weak));
extern int sqlite3_vfs_register(vfs *, int) __attribute__((weak));
extern int sqlite3_vfs_unregister(vfs *) __attribute__((weak));

enum { main_file = 0x100, log_file = 0x80000 }; // flags of open
enum { records = 64 };

// Pages of a file that reserves eight bytes at their ends carry a checksum there, of the
// page and its number. The log has none: SQLite checks its frames when it opens it.
enum { page_size = 4096, sum_size = 8, header_size = 100, error_short = 10 | 2 << 8, error_data = 10 | 32 << 8 };

struct disk {
	int lock;
	int64_t rate; // bytes a second
	int64_t free; // when what has been given to it will be on it, ns
};

struct layer {
	vfs names[2]; // the foreground's and the background's
	char name[2][40];
	vfs *under;
	disk *disk;
	FILE *journal; // every change and sync in its order, for tests of power cuts

	int lock; // guards what follows
	int files, released;
	int64_t dirty[2];   // bytes written since the last sync: of the file, of the log
	int64_t written[2]; // bytes written in all
	int sums;           // its pages carry checksums: 1 its header says so, 2 its first page's checksum does
	int64_t bad;        // a page that does not have its own
	sync_record record[records];
	unsigned first, count;
};

typedef struct {
	file base;
	layer *layer;
	int log, background;
	file real[];
} observed;

static void acquire(int *lock) {
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) usleep(10);
}
static void release(int *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// sum_of mixes the page's words one after the other. Each step is reversible, so that one
// word that differs, with all others equal, always leads to another sum.
static uint64_t sum_of(const unsigned char *page, uint64_t number) {
	uint64_t h = number * 0x9e3779b97f4a7c15u + 1, w;
	for (int i = 0; i < page_size - sum_size; i += 8) {
		memcpy(&w, page + i, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h = h << 29 | h >> 35;
	}
	return h;
}

static int is_page(const observed *o, int length, int64_t at) { return !o->log && length == page_size && at % page_size == 0; }

// learn_header looks at what is read or written of the file's beginning.
static void learn_header(observed *o, const unsigned char *from, int length, int64_t at) {
	if (o->log || at != 0 || length < header_size || __atomic_load_n(&o->layer->sums, __ATOMIC_RELAXED) == 2) return;
	__atomic_store_n(&o->layer->sums, (from[16] << 8 | from[17]) == page_size && from[20] == sum_size, __ATOMIC_RELAXED);
}

// learn_file looks at a file's first page when it is opened. If it has the checksum of a page
// whose header says what such a file's must, the file is one, whatever the header says now.
static void learn_file(observed *o) {
	unsigned char page[page_size];
	if (o->log || o->real->methods->read(o->real, page, page_size, 0) != 0) return;
	learn_header(o, page, page_size, 0);
	page[16] = page_size >> 8, page[17] = page_size & 0xff, page[20] = sum_size;
	uint64_t sum;
	memcpy(&sum, page + page_size - sum_size, sum_size);
	if (sum == sum_of(page, 1)) __atomic_store_n(&o->layer->sums, 2, __ATOMIC_RELAXED);
}

static int all_zero(const unsigned char *page) {
	for (int i = 0; i < page_size; i++)
		if (page[i]) return 0;
	return 1;
}

static layer *layer_of(file *f) { return ((observed *)f)->layer; }
static file *real_of(file *f) { return ((observed *)f)->real; }

disk *disk_new(int64_t rate) {
	disk *d = calloc(1, sizeof *d);
	if (d) d->rate = rate;
	return d;
}
void disk_free(disk *d) { free(d); }

// disk_take waits as long as a disk of that speed needs for what it has got.
static void disk_take(disk *d, int64_t bytes) {
	if (!d || d->rate <= 0) return;
	int64_t begin = now();
	acquire(&d->lock);
	if (d->free < begin) d->free = begin;
	d->free += (int64_t)((double)bytes / (double)d->rate * 1e9);
	int64_t until = d->free;
	release(&d->lock);
	if (until > begin) {
		struct timespec t = {(until - begin) / 1000000000, (until - begin) % 1000000000};
		nanosleep(&t, NULL);
	}
}

// journal_add writes one change: W(rite), T(runcate) or S(ync), the file, place and
// length, and the bytes.
static void journal_add(observed *o, char what, int64_t at, int64_t length, const void *data) {
	layer *l = o->layer;
	if (!l->journal) return;
	acquire(&l->lock);
	fprintf(l->journal, "%c %d %lld %lld\n", what, o->log, (long long)at, (long long)length);
	if (data) fwrite(data, 1, (size_t)length, l->journal);
	fflush(l->journal);
	release(&l->lock);
}

static void layer_drop(layer *l) {
	if (l->journal) fclose(l->journal);
	free(l);
}

static int f_close(file *f) {
	layer *l = layer_of(f);
	int result = real_of(f)->methods->close(real_of(f));
	acquire(&l->lock);
	int last = --l->files == 0 && l->released;
	release(&l->lock);
	if (last) layer_drop(l);
	return result;
}

// holds compares a page that was read with its checksum. A page that was never written, in
// the middle of a file that has grown, is all zeros.
static int holds(observed *o, const unsigned char *page, uint64_t number) {
	uint64_t sum;
	memcpy(&sum, page + page_size - sum_size, sum_size);
	if (sum == sum_of(page, number) || all_zero(page)) return 1;
	__atomic_store_n(&o->layer->bad, (int64_t)number, __ATOMIC_RELAXED);
	return 0;
}

// f_read also takes reads of a part of a page, which SQLite makes of its header and of
// long values: the whole page is compared.
static int f_read(file *f, void *to, int length, int64_t at) {
	observed *o = (observed *)f;
	int result = o->real->methods->read(o->real, to, length, at);
	if (result != 0) return result;
	learn_header(o, to, length, at);
	if (o->log || !__atomic_load_n(&o->layer->sums, __ATOMIC_RELAXED)) return 0;
	if (is_page(o, length, at)) return holds(o, to, (uint64_t)(at / page_size) + 1) ? 0 : error_data;
	unsigned char page[page_size];
	for (int64_t from = at - at % page_size; from < at + length; from += page_size) {
		result = o->real->methods->read(o->real, page, page_size, from);
		if (result == error_short && from == 0) return 0; // a new file, of which there is only the beginning
		if (result != 0) return result;
		if (!holds(o, page, (uint64_t)(from / page_size) + 1)) return error_data;
		int64_t begin = at > from ? at : from, end = at + length < from + page_size ? at + length : from + page_size;
		memcpy((unsigned char *)to + (begin - at), page + (begin - from), (size_t)(end - begin));
	}
	return 0;
}

static int f_write(file *f, const void *from, int length, int64_t at) {
	observed *o = (observed *)f;
	unsigned char page[page_size];
	learn_header(o, from, length, at);
	if (is_page(o, length, at) && __atomic_load_n(&o->layer->sums, __ATOMIC_RELAXED)) {
		memcpy(page, from, page_size);
		uint64_t sum = sum_of(page, (uint64_t)(at / page_size) + 1);
		memcpy(page + page_size - sum_size, &sum, sum_size);
		from = page;
	}
	int result = o->real->methods->write(o->real, from, length, at);
	if (result == 0) {
		__atomic_add_fetch(&o->layer->dirty[o->log], length, __ATOMIC_RELAXED);
		__atomic_add_fetch(&o->layer->written[o->log], length, __ATOMIC_RELAXED);
		journal_add(o, 'W', at, length, from);
	}
	return result;
}

static int f_truncate(file *f, int64_t size) {
	int result = real_of(f)->methods->truncate(real_of(f), size);
	if (result == 0) journal_add((observed *)f, 'T', size, 0, NULL);
	return result;
}

static int f_sync(file *f, int flags) {
	observed *o = (observed *)f;
	layer *l = o->layer;
	int64_t begin = now(), bytes = __atomic_exchange_n(&l->dirty[o->log], 0, __ATOMIC_RELAXED);
	int result = o->real->methods->sync(o->real, flags);
	disk_take(l->disk, bytes);
	int64_t took = now() - begin;
	journal_add(o, 'S', 0, 0, NULL);
	acquire(&l->lock);
	if (l->count == records) { // nobody looks: the oldest goes
		l->first++;
		l->count--;
	}
	sync_record *r = &l->record[(l->first + l->count++) % records];
	r->took = took, r->bytes = bytes, r->log = o->log, r->background = o->background;
	release(&l->lock);
	return result;
}

static int f_size(file *f, int64_t *size) { return real_of(f)->methods->size(real_of(f), size); }
static int f_lock(file *f, int level) { return real_of(f)->methods->lock(real_of(f), level); }
static int f_unlock(file *f, int level) { return real_of(f)->methods->unlock(real_of(f), level); }
static int f_reserved(file *f, int *is) { return real_of(f)->methods->reserved(real_of(f), is); }
static int f_control(file *f, int what, void *data) { return real_of(f)->methods->control(real_of(f), what, data); }
static int f_sector(file *f) { return real_of(f)->methods->sector(real_of(f)); }
static int f_device(file *f) { return real_of(f)->methods->device(real_of(f)); }
static int f_shm_map(file *f, int page, int size, int extend, void volatile **to) { return real_of(f)->methods->shm_map(real_of(f), page, size, extend, to); }
static int f_shm_lock(file *f, int at, int n, int flags) { return real_of(f)->methods->shm_lock(real_of(f), at, n, flags); }
static void f_shm_barrier(file *f) { real_of(f)->methods->shm_barrier(real_of(f)); }
static int f_shm_unmap(file *f, int delete) { return real_of(f)->methods->shm_unmap(real_of(f), delete); }
static int f_fetch(file *f, int64_t at, int length, void **to) {
	if (__atomic_load_n(&layer_of(f)->sums, __ATOMIC_RELAXED)) { // pages must come through f_read
		*to = NULL;
		return 0;
	}
	return real_of(f)->methods->fetch(real_of(f), at, length, to);
}
static int f_unfetch(file *f, int64_t at, void *data) { return real_of(f)->methods->unfetch(real_of(f), at, data); }

static const io_methods observed_methods = {
	3, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock, f_reserved, f_control, f_sector, f_device,
	f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, f_fetch, f_unfetch,
};

static int v_open(vfs *v, const char *path, file *f, int flags, int *out) {
	layer *l = v->data;
	if (!(flags & (main_file | log_file))) // temporary files and the like are none of ours
		return l->under->open(l->under, path, f, flags, out);
	observed *o = (observed *)f;
	memset(o, 0, sizeof *o);
	int result = l->under->open(l->under, path, o->real, flags, out);
	if (result != 0) return result;
	if (o->real->methods->version < 3) { // not seen with any system of today
		o->real->methods->close(o->real);
		return l->under->open(l->under, path, f, flags, out);
	}
	o->base.methods = &observed_methods;
	o->layer = l;
	o->log = (flags & log_file) != 0;
	o->background = v == &l->names[1];
	learn_file(o);
	acquire(&l->lock);
	l->files++;
	release(&l->lock);
	return 0;
}

#define under(v) (((layer *)(v)->data)->under)
static int v_delete(vfs *v, const char *path, int sync) { return under(v)->delete(under(v), path, sync); }
static int v_access(vfs *v, const char *path, int flags, int *out) { return under(v)->access(under(v), path, flags, out); }
static int v_full_path(vfs *v, const char *path, int length, char *out) { return under(v)->full_path(under(v), path, length, out); }
static int v_randomness(vfs *v, int length, char *out) { return under(v)->randomness(under(v), length, out); }
static int v_sleep(vfs *v, int us) { return under(v)->sleep(under(v), us); }
static int v_time(vfs *v, double *out) { return under(v)->time(under(v), out); }
static int v_last_error(vfs *v, int length, char *out) { return under(v)->last_error(under(v), length, out); }
static int v_time64(vfs *v, int64_t *out) { return under(v)->time64(under(v), out); }

layer *layer_new(disk *d, const char *journal) {
	if (!sqlite3_vfs_find || !sqlite3_vfs_register || !sqlite3_vfs_unregister) return NULL;
	vfs *under = sqlite3_vfs_find(NULL);
	if (!under || under->version < 2) return NULL;
	layer *l = calloc(1, sizeof *l);
	if (!l) return NULL;
	l->under = under;
	l->disk = d;
	if (journal && *journal && !(l->journal = fopen(journal, "wb"))) {
		free(l);
		return NULL;
	}
	for (int i = 0; i < 2; i++) {
		vfs *v = &l->names[i];
		snprintf(l->name[i], sizeof l->name[i], "fabriscope-%p-%d", (void *)l, i);
		v->version = 2;
		v->file_size = (int)sizeof(observed) + under->file_size;
		v->max_path = under->max_path;
		v->name = l->name[i];
		v->data = l;
		v->open = v_open;
		v->delete = v_delete;
		v->access = v_access;
		v->full_path = v_full_path;
		v->randomness = v_randomness;
		v->sleep = v_sleep;
		v->time = v_time;
		v->last_error = v_last_error;
		v->time64 = v_time64;
		if (sqlite3_vfs_register(v, 0) != 0) {
			if (i) sqlite3_vfs_unregister(&l->names[0]);
			layer_drop(l);
			return NULL;
		}
	}
	return l;
}

const char *layer_name(layer *l, int background) { return l->name[background]; }

void layer_release(layer *l) {
	sqlite3_vfs_unregister(&l->names[0]);
	sqlite3_vfs_unregister(&l->names[1]);
	acquire(&l->lock);
	l->released = 1;
	int last = l->files == 0;
	release(&l->lock);
	if (last) layer_drop(l);
}

int layer_take(layer *l, sync_record *r) {
	acquire(&l->lock);
	int some = l->count > 0;
	if (some) {
		*r = l->record[l->first++ % records];
		l->count--;
	}
	release(&l->lock);
	return some;
}

int layer_sums(layer *l) { return __atomic_load_n(&l->sums, __ATOMIC_RELAXED); }
int64_t layer_bad(layer *l) { return __atomic_load_n(&l->bad, __ATOMIC_RELAXED); }
int64_t layer_logged(layer *l) { return __atomic_load_n(&l->written[1], __ATOMIC_RELAXED); }
int64_t layer_written(layer *l) { return __atomic_load_n(&l->written[0], __ATOMIC_RELAXED); }
