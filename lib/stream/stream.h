/* `.ult` streams: zstd frames, each one safetensors document, closed by a
 * skippable frame with counts, a hash and a seek table (ul-stream(5)). */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/pool.h"
#include "stream/document.h"

/* Who made a stream, of what: goes into the metadata of its first document. */
typedef struct {
	const char *tool;    /* "ul-prep" */
	const char *version; /* of the tools */
	const char *argv;    /* options_record() */
	int64_t seed;
	const char **inputs;          /* names, as given */
	const uint64_t *input_hashes; /* XXH64 */
	size_t input_count;
} Provenance;

/* Sets ul.kind, ul.version, ul.tool, ul.tool_version, ul.argv, ul.seed, ul.inputs. */
bool document_stamp(Document *d, const char *kind, const Provenance *p, Error *e);

/* ERROR_USAGE unless what is in the inputs is what ul.inputs says, whatever they are called. */
bool document_check_inputs(const Document *d, const Provenance *p, Error *e);

/* Checks ul.kind (one of `kinds`, "a|b") and the major number of ul.version, which
 * only the later documents of a stream, kinds "…-chunk", may lack. */
bool document_check_kind(const Document *d, const char *kinds, Error *e);

/* Writer.  path NULL or "-" is standard output (ERROR_USAGE if that is a
 * terminal); a file is written beside its name and renamed by
 * stream_writer_close(). */
typedef struct StreamWriter StreamWriter;
StreamWriter *stream_writer_open(const char *path, Error *e);
/* What follows, for the compressor: texts and all else, ids that repeat what is near them, or numbers that
 * hardly shrink. */
typedef enum { STREAM_MIXED, STREAM_IDS, STREAM_NUMBERS } StreamContent;
void stream_writer_expect(StreamWriter *w, StreamContent content);
bool stream_write(StreamWriter *w, const Document *d, Error *e);
/* `count` documents, which the pool's threads fill in and compress while those before are
 * written; the bytes are those of as many stream_write(), the error is the one that came first.  What `fill`
 * puts into the document may lie in the arena.  It is called for one index only once, by any thread. */
typedef bool StreamFill(void *context, size_t index, Document *d, Arena *arena, Error *e);
bool stream_write_many(StreamWriter *w, Pool *pool, size_t count, StreamFill *fill, void *context, Error *e);
bool stream_writer_close(StreamWriter *w, Error *e); /* end frame, flush, rename; frees w in any case */
void stream_writer_abort(StreamWriter *w);           /* leaves nothing behind; takes NULL */

/* Reader of a stream or of plain safetensors documents, from a file or a pipe
 * (path NULL or "-": standard input).  Errors name the path. */
typedef struct StreamReader StreamReader;
StreamReader *stream_reader_open(const char *path, Error *e);

/* The next document into *d (the caller frees it), or NULL at the end, which is
 * the end only if the closing frame was there and agreed, and there were as many users as the first
 * document says (ul.users), where it does.  False: error. */
bool stream_read(StreamReader *r, Document **d, Error *e);

/* Random access, for regular files that are streams: how many frames, and the
 * next stream_read() to come from frame `index`.  After a seek the hash of the
 * whole is not checked, those of the frames are.  stream_frames() is 0 for a
 * pipe or a plain file. */
size_t stream_frames(const StreamReader *r);
uint64_t stream_frame_users(const StreamReader *r, size_t index);
bool stream_seek(StreamReader *r, size_t index, Error *e);

/* XXH64 of the decompressed bytes read so far; of the whole after the end. */
uint64_t stream_hash(const StreamReader *r);
const char *stream_name(const StreamReader *r); /* path, or "standard input" */
void stream_reader_free(StreamReader *r);       /* takes NULL */

/* The one document of a model or an adapter: opens, reads it and the end, checks
 * the kind, closes.  *hash may be NULL. */
Document *stream_read_one(const char *path, const char *kinds, uint64_t *hash, Error *e);
bool stream_write_one(const char *path, const Document *d, Error *e);

#endif
