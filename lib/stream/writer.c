#include "stream/frame.h"
#include "stream/output.h"
#include "stream/stream.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

enum { LEVEL = 3 };

struct StreamWriter {
	Output output;
	ZSTD_CCtx *zstd;
	uint8_t *room; /* of compressed bytes on their way out */
	size_t room_size;
	uint64_t position; /* compressed bytes written */
	FrameTable table;
	XXH64_state_t bytes_hash, frame_hash;
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
	w->room_size = ZSTD_CStreamOutSize();
	bool done =
	    output_open(&w->output, path, true, e) && (w->room = memory_new(w->room_size, 1, e)) != NULL;
	if (done && (w->zstd = ZSTD_createCCtx()) == NULL)
		done = fail(e, ERROR_FAILURE, "out of memory: no room to compress");
	done = done && zstd_done(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, LEVEL), e) &&
	       zstd_done(ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1), e);
	if (!done) {
		stream_writer_abort(w);
		return NULL;
	}
	return w;
}

static bool count_bytes(void *context, const void *data, size_t size, Error *e)
{
	(void)data;
	(void)e;
	*(uint64_t *)context += size;
	return true;
}

static bool compress(StreamWriter *w, const void *data, size_t size, ZSTD_EndDirective end, Error *e)
{
	ZSTD_inBuffer in = {data, size, 0};
	size_t left;
	do {
		ZSTD_outBuffer out = {w->room, w->room_size, 0};
		left = ZSTD_compressStream2(w->zstd, &out, &in, end);
		if (!zstd_done(left, e) || !output_write(&w->output, w->room, out.pos, e))
			return false;
		XXH64_update(&w->frame_hash, w->room, out.pos);
		w->position += out.pos;
	} while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
	return true;
}

static bool compress_piece(void *context, const void *data, size_t size, Error *e)
{
	StreamWriter *w = context;
	if (size > 0) /* XXH64 takes no NULL */
		XXH64_update(&w->bytes_hash, data, size);
	return compress(w, data, size, ZSTD_e_continue, e);
}

bool stream_write(StreamWriter *w, const Document *d, uint64_t users, Error *e)
{
	Frame frame = {.offset = w->position, .users = users};
	XXH64_reset(&w->frame_hash, 0);
	if (!document_emit(d, count_bytes, &frame.size, e))
		return false;
	if (w->table.count > 0 && frame.size > CHUNK_MAX)
		return fail(e, ERROR_FAILURE, "a chunk of %llu bytes is larger than the 1 GiB that are read",
		            (unsigned long long)frame.size);
	if (!zstd_done(ZSTD_CCtx_setPledgedSrcSize(w->zstd, frame.size), e) ||
	    !document_emit(d, compress_piece, w, e) || !compress(w, NULL, 0, ZSTD_e_end, e))
		return false;
	frame.hash = XXH64_digest(&w->frame_hash);
	return frame_table_append(&w->table, frame, e);
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
	ZSTD_freeCCtx(w->zstd);
	memory_free(w->room);
	memory_free(w);
}

bool stream_write_one(const char *path, const Document *d, Error *e)
{
	StreamWriter *w = stream_writer_open(path, e);
	if (w == NULL)
		return false;
	if (!stream_write(w, d, 0, e)) {
		stream_writer_abort(w);
		return false;
	}
	return stream_writer_close(w, e);
}
