#include "stream/frame.h"
#include "stream/output.h"
#include "stream/stream.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

enum { LEVEL = 3, LEVEL_OF_NUMBERS = -1 };

/* A frame on its way: made by any thread, then written in its turn. */
typedef struct {
	Document *document;
	Arena arena;
	ZSTD_CCtx *zstd;    /* borrowed */
	Buffer bytes;       /* compressed */
	StreamWriter *sink; /* takes the bytes as they come, or NULL */
	Error error;
} Packing;

/* A stage compresses GROUP documents while those of the stage before are written. */
enum { GROUP = 4 };

struct StreamWriter {
	Output output;
	int level;
	uint64_t position; /* compressed bytes written */
	FrameTable table;
	XXH64_state_t bytes_hash, frame_hash;
	ZSTD_CCtx *zstd[GROUP];
	Packing packings[2 * GROUP];
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
	w->level = LEVEL;
	if (!output_open(&w->output, path, true, e)) {
		stream_writer_abort(w);
		return NULL;
	}
	return w;
}

void stream_writer_hurry(StreamWriter *w)
{
	w->level = LEVEL_OF_NUMBERS;
}

/* The compressor of that number, made where it is not there yet. */
static bool start_zstd(StreamWriter *w, size_t number, Packing *p, Error *e)
{
	ZSTD_CCtx **zstd = &w->zstd[number];
	if (*zstd == NULL && (*zstd = ZSTD_createCCtx()) == NULL)
		return fail(e, ERROR_FAILURE, "out of memory: no room to compress");
	p->zstd = *zstd;
	return zstd_done(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, w->level), e) &&
	       zstd_done(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1), e);
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
	bool done = start_zstd(w, 0, p, e) && start_frame(w, d, &frame, e) && pack(p, d, e) &&
	            end_frame(w, d, &frame, e);
	p->sink = NULL;
	return done;
}

/* A stage of stream_write_many(): documents [first, end) are packed, those of the GROUP
 * before are written. */
typedef struct {
	StreamWriter *writer;
	size_t first, end, count;
	StreamFill *fill;
	void *context;
	Error error; /* of the writing */
} Stage;

static Packing *packing_of(const Stage *s, size_t index)
{
	return &s->writer->packings[index % (2 * GROUP)];
}

static bool put(StreamWriter *w, Packing *p, Error *e)
{
	Frame frame;
	return start_frame(w, p->document, &frame, e) && send_bytes(w, &p->bytes, e) &&
	       end_frame(w, p->document, &frame, e);
}

static void write_group(Stage *s)
{
	for (size_t i = s->first < GROUP ? 0 : s->first - GROUP; i < s->first && i < s->count; i++) {
		Packing *p = packing_of(s, i);
		if (s->error.code == ERROR_NONE)
			s->error = p->error;
		if (s->error.code == ERROR_NONE)
			put(s->writer, p, &s->error);
		document_free(p->document);
		p->document = NULL;
		arena_reset(&p->arena);
	}
}

static void run_stage(void *context, size_t task)
{
	Stage *s = context;
	if (task == 0) {
		write_group(s);
		return;
	}
	size_t index = s->first + task - 1;
	Packing *p = packing_of(s, index);
	p->error = (Error){0};
	p->document = document_new(&p->error);
	if (p->document != NULL && start_zstd(s->writer, task - 1, p, &p->error) &&
	    s->fill(s->context, index, p->document, &p->arena, &p->error))
		pack(p, p->document, &p->error);
}

bool stream_write_many(StreamWriter *w, Pool *pool, size_t count, StreamFill *fill, void *context, Error *e)
{
	Stage s = {.writer = w, .count = count, .fill = fill, .context = context};
	for (; s.first < count + GROUP && s.error.code == ERROR_NONE; s.first += GROUP) {
		s.end = s.first + GROUP < count ? s.first + GROUP : count;
		pool_run(pool, 1 + (s.end > s.first ? s.end - s.first : 0), run_stage, &s);
	}
	if (s.error.code != ERROR_NONE)
		*e = s.error;
	return s.error.code == ERROR_NONE;
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
	for (size_t i = 0; i < GROUP; i++)
		ZSTD_freeCCtx(w->zstd[i]);
	output_abort(&w->output);
	frame_table_free(&w->table);
	for (Packing *p = w->packings; p < w->packings + 2 * GROUP; p++) {
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
