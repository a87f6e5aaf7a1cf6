#include "stream/frame.h"
#include "stream/output.h"
#include "stream/stream.h"

#include <pthread.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

/* How zstd is set; tables of 0 are the level's own.  Those of ids stay in the caches, which is faster by a
 * quarter than the level's and 3 % larger in MovieLens-1M; level 1 is faster still, but larger by 27 %. */
static const struct {
	int level, table_bits;
} settings[] = {
    [STREAM_MIXED] = {3, 0},
    [STREAM_IDS] = {3, 14},
    [STREAM_NUMBERS] = {-1, 0},
};

/* A frame on its way: made by any thread, then written in its turn. */
typedef struct {
	Document *document;
	Arena arena;
	ZSTD_CCtx *zstd;
	Buffer bytes;       /* compressed */
	StreamWriter *sink; /* takes the bytes as they come, or NULL */
	bool packed;
} Packing;

/* Documents on their way at once, at most. */
enum { WINDOW = 8 };

struct StreamWriter {
	Output output;
	StreamContent content;
	uint64_t position; /* compressed bytes written */
	FrameTable table;
	XXH64_state_t bytes_hash, frame_hash;
	Packing packings[WINDOW];
};

static bool zstd_done(size_t result, Error *e)
{
	return !ZSTD_isError(result) || fail(e, ERROR_FAILURE, "zstd: %s", ZSTD_getErrorName(result));
}

StreamWriter *stream_writer_open(const char *path, Error *e)
{
	StreamWriter *w = memory_new(1, sizeof *w, e);
	if (w == NULL)
		return NULL;
	XXH64_reset(&w->bytes_hash, 0);
	if (!output_open(&w->output, path, true, e)) {
		stream_writer_abort(w);
		return NULL;
	}
	return w;
}

void stream_writer_expect(StreamWriter *w, StreamContent content)
{
	w->content = content;
}

static bool set_parameter(ZSTD_CCtx *zstd, ZSTD_cParameter parameter, int value, Error *e)
{
	return zstd_done(ZSTD_CCtx_setParameter(zstd, parameter, value), e);
}

static bool start_zstd(const StreamWriter *w, Packing *p, Error *e)
{
	if (p->zstd == NULL && (p->zstd = ZSTD_createCCtx()) == NULL)
		return fail(e, ERROR_FAILURE, "out of memory: no room to compress");
	int table_bits = settings[w->content].table_bits;
	return set_parameter(p->zstd, ZSTD_c_compressionLevel, settings[w->content].level, e) &&
	       set_parameter(p->zstd, ZSTD_c_chainLog, table_bits, e) &&
	       set_parameter(p->zstd, ZSTD_c_hashLog, table_bits, e) &&
	       set_parameter(p->zstd, ZSTD_c_checksumFlag, 1, e);
}

static bool count_bytes(void *context, const void *data, size_t size, Error *e)
{
	(void)data;
	(void)e;
	*(uint64_t *)context += size;
	return true;
}

static bool send_bytes(StreamWriter *w, Buffer *bytes, Error *e)
{
	if (!output_write(&w->output, bytes->data, bytes->size, e))
		return false;
	XXH64_update(&w->frame_hash, bytes->data, bytes->size);
	w->position += bytes->size;
	bytes->size = 0;
	return true;
}

static bool compress(Packing *p, const void *data, size_t size, ZSTD_EndDirective end, Error *e)
{
	ZSTD_inBuffer in = {data, size, 0};
	size_t left, room = ZSTD_CStreamOutSize();
	do {
		if (!buffer_reserve(&p->bytes, room, e))
			return false;
		ZSTD_outBuffer out = {p->bytes.data + p->bytes.size, room, 0};
		left = ZSTD_compressStream2(p->zstd, &out, &in, end);
		p->bytes.size += out.pos;
		if (!zstd_done(left, e) || (p->sink != NULL && !send_bytes(p->sink, &p->bytes, e)))
			return false;
	} while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
	return true;
}

static bool compress_piece(void *context, const void *data, size_t size, Error *e)
{
	return compress(context, data, size, ZSTD_e_continue, e);
}

static bool hash_piece(void *context, const void *data, size_t size, Error *e)
{
	(void)e;
	if (size > 0) /* XXH64 takes no NULL */
		XXH64_update(context, data, size);
	return true;
}

/* Compresses the document. */
static bool pack(Packing *p, const Document *d, Error *e)
{
	uint64_t size = 0;
	p->bytes.size = 0;
	return document_emit(d, count_bytes, &size, e) &&
	       zstd_done(ZSTD_CCtx_setPledgedSrcSize(p->zstd, size), e) &&
	       document_emit(d, compress_piece, p, e) && compress(p, NULL, 0, ZSTD_e_end, e);
}

static bool start_frame(StreamWriter *w, const Document *d, Frame *frame, Error *e)
{
	*frame = (Frame){.offset = w->position, .users = document_users(d)};
	XXH64_reset(&w->frame_hash, 0);
	if (!document_emit(d, count_bytes, &frame->size, e))
		return false;
	if (w->table.count > 0 && frame->size > CHUNK_MAX)
		return fail(e, ERROR_FAILURE, "a chunk of %llu bytes is larger than the 1 GiB that are read",
		            (unsigned long long)frame->size);
	return true;
}

static bool end_frame(StreamWriter *w, const Document *d, Frame *frame, Error *e)
{
	frame->hash = XXH64_digest(&w->frame_hash);
	return document_emit(d, hash_piece, &w->bytes_hash, e) && frame_table_append(&w->table, *frame, e);
}

bool stream_write(StreamWriter *w, const Document *d, Error *e)
{
	Frame frame;
	Packing *p = &w->packings[0];
	p->sink = w;
	bool done = start_zstd(w, p, e) && start_frame(w, d, &frame, e) && pack(p, d, e) &&
	            end_frame(w, d, &frame, e);
	p->sink = NULL;
	return done;
}

static bool put(StreamWriter *w, Packing *p, Error *e)
{
	Frame frame;
	return start_frame(w, p->document, &frame, e) && send_bytes(w, &p->bytes, e) &&
	       end_frame(w, p->document, &frame, e);
}

/* stream_write_many(): documents are packed side by side, and written in turn by whoever has packed the one
 * whose turn it is.  Tasks start in order, so that document `written` is always with a thread that does not
 * wait. */
typedef struct {
	StreamWriter *writer;
	StreamFill *fill;
	void *context;
	size_t window;        /* so many documents are packed, or packed and not yet written */
	pthread_mutex_t lock; /* of all below, and of which packings are packed */
	pthread_cond_t moved;
	size_t written;
	bool writing;
	Error error; /* the first; all is over then */
} Line;

/* The lock is held. */
static void keep_error(Line *l, const Error *error)
{
	if (l->error.code == ERROR_NONE)
		l->error = *error;
	pthread_cond_broadcast(&l->moved);
}

static bool pack_one(const Line *l, Packing *p, size_t index, Error *e)
{
	return (p->document = document_new(e)) != NULL && start_zstd(l->writer, p, e) &&
	       l->fill(l->context, index, p->document, &p->arena, e) && pack(p, p->document, e);
}

/* The packing of document `index`, once it is free; NULL where all is over.  The lock is held. */
static Packing *wait_for_packing(Line *l, size_t index)
{
	while (index >= l->written + l->window && l->error.code == ERROR_NONE)
		pthread_cond_wait(&l->moved, &l->lock);
	return l->error.code == ERROR_NONE ? &l->writer->packings[index % l->window] : NULL;
}

/* Writes what is packed and in its turn; the lock is held but while writing. */
static void write_packed(Line *l)
{
	Packing *p;
	while ((p = &l->writer->packings[l->written % l->window])->packed && l->error.code == ERROR_NONE) {
		Error error = {0};
		l->writing = true;
		pthread_mutex_unlock(&l->lock);
		put(l->writer, p, &error);
		document_free(p->document);
		p->document = NULL;
		arena_reset(&p->arena);
		pthread_mutex_lock(&l->lock);
		l->writing = p->packed = false;
		l->written++;
		keep_error(l, &error);
	}
}

static void write_task(void *context, size_t index)
{
	Line *l = context;
	pthread_mutex_lock(&l->lock);
	Packing *p = wait_for_packing(l, index);
	if (p != NULL) {
		Error error = {0};
		pthread_mutex_unlock(&l->lock);
		bool packed = pack_one(l, p, index, &error);
		pthread_mutex_lock(&l->lock);
		p->packed = packed;
		keep_error(l, &error);
		if (!l->writing)
			write_packed(l);
	}
	pthread_mutex_unlock(&l->lock);
}

bool stream_write_many(StreamWriter *w, Pool *pool, size_t count, StreamFill *fill, void *context, Error *e)
{
	size_t threads = pool ? pool_threads(pool) : 1, window = threads > 1 ? 2 * threads : 1;
	Line l = {.writer = w, .fill = fill, .context = context, .window = window < WINDOW ? window : WINDOW};
	pthread_mutex_init(&l.lock, NULL);
	pthread_cond_init(&l.moved, NULL);
	pool_run(pool, count, write_task, &l);
	pthread_cond_destroy(&l.moved);
	pthread_mutex_destroy(&l.lock);
	if (l.error.code != ERROR_NONE)
		*e = l.error;
	return l.error.code == ERROR_NONE;
}

bool stream_writer_close(StreamWriter *w, Error *e)
{
	Buffer end = {0};
	w->table.hash = XXH64_digest(&w->bytes_hash);
	bool done = frame_table_encode(&w->table, &end, e) &&
	            output_write(&w->output, end.data, end.size, e) && output_close(&w->output, e);
	buffer_free(&end);
	stream_writer_abort(w);
	return done;
}

void stream_writer_abort(StreamWriter *w)
{
	if (w == NULL)
		return;
	output_abort(&w->output);
	frame_table_free(&w->table);
	for (Packing *p = w->packings; p < w->packings + WINDOW; p++) {
		ZSTD_freeCCtx(p->zstd);
		document_free(p->document);
		arena_free(&p->arena);
		buffer_free(&p->bytes);
	}
	memory_free(w);
}

bool stream_write_one(const char *path, const Document *d, Error *e)
{
	StreamWriter *w = stream_writer_open(path, e);
	if (w == NULL)
		return false;
	if (!stream_write(w, d, e)) {
		stream_writer_abort(w);
		return false;
	}
	return stream_writer_close(w, e);
}
