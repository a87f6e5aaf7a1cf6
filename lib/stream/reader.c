#include "stream/frame.h"
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	INPUT_ROOM = 1 << 17,
	OUTPUT_STEP = 1 << 17,
	WINDOW_LOG = 23,   /* what RFC 8878 asks of every decoder */
	FRAME_HEADER = 18, /* at most */
};

struct StreamReader {
	char *name;
	int fd;
	uint8_t *input;
	size_t at, have; /* input[at … have) is still to be used */
	bool exhausted;  /* read() has said so */
	bool plain, ended, seeked;
	ZSTD_DCtx *zstd;
	uint64_t position; /* of input[at] */
	FrameTable found;  /* as read */
	FrameTable table;  /* as the end frame of a regular file has it */
	uint64_t end;      /* where that end frame begins; 0: not known */
	size_t next;       /* document */
	int64_t announced; /* users of all documents together, as the first one has it; -1: it does not say */
	uint64_t users;    /* so far; of no use after a seek */
	XXH64_state_t hash;
};

/* Input */

/* Has at least `need` bytes at input + at, or all there are. */
static bool fill(StreamReader *r, size_t need, Error *e)
{
	if (r->have - r->at >= need || r->exhausted)
		return true;
	memmove(r->input, r->input + r->at, r->have - r->at);
	r->have -= r->at;
	r->at = 0;
	while (r->have < need && !r->exhausted) {
		ssize_t got = read(r->fd, r->input + r->have, INPUT_ROOM - r->have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(e, "cannot read");
		r->have += (size_t)got;
		r->exhausted = got == 0;
	}
	return true;
}

static void use(StreamReader *r, size_t size)
{
	r->at += size;
	r->position += size;
}

/* Appends input until *out has `size` bytes; fewer come only at the end. */
static bool take(StreamReader *r, Buffer *out, size_t size, Error *e)
{
	while (out->size < size) {
		if (!fill(r, 1, e))
			return false;
		size_t part = r->have - r->at;
		if (part == 0)
			return true;
		part = part < size - out->size ? part : size - out->size;
		if (!buffer_append(out, r->input + r->at, part, e))
			return false;
		use(r, part);
	}
	return true;
}

static bool read_at(int fd, void *data, size_t size, uint64_t offset, Error *e)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fd, (uint8_t *)data + done, size - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_errno(e, "cannot read");
		if (got == 0)
			return fail(e, ERROR_MALFORMED, "the file became shorter while it was read");
		done += (size_t)got;
	}
	return true;
}

/* The end frame of a regular file, before all else: it tells of a truncated file
 * at once, and where the frames are. */
static bool read_table(StreamReader *r, uint64_t file_size, Error *e)
{
	uint8_t tail[FRAME_TAIL] = {0};
	size_t size;
	if (file_size >= FRAME_TAIL && !read_at(r->fd, tail, sizeof tail, file_size - FRAME_TAIL, e))
		return false;
	if (!frame_end_size(tail, &size, e))
		return false;
	if (size > file_size)
		return fail(e, ERROR_MALFORMED, "the end frame is damaged: it is larger than the file");
	uint8_t *bytes = memory_new(size, 1, e);
	bool done = bytes != NULL && read_at(r->fd, bytes, size, file_size - size, e) &&
	            frame_table_decode(&r->table, bytes, size, e);
	memory_free(bytes);
	r->end = file_size - size;
	if (done && r->table.count > 0 && r->table.frames[r->table.count - 1].offset >= r->end)
		done = fail(e, ERROR_MALFORMED, "the end frame is damaged: frames lie behind it");
	return done;
}

static bool begin(StreamReader *r, Error *e)
{
	struct stat status;
	if (!fill(r, 4, e))
		return false;
	if (r->have == 0)
		return fail(e, ERROR_MALFORMED, "the input is empty");
	uint32_t magic = r->have < 4 ? 0 : frame_u32(r->input);
	r->plain = magic != FRAME_MAGIC && magic != FRAME_END_MAGIC;
	if (r->plain)
		return true;
	if ((r->zstd = ZSTD_createDCtx()) == NULL ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return fail(e, ERROR_FAILURE, "out of memory: no room to decompress");
	bool regular = fstat(r->fd, &status) == 0 && S_ISREG(status.st_mode) &&
	               lseek(r->fd, 0, SEEK_CUR) == (off_t)r->have;
	return !regular || read_table(r, (uint64_t)status.st_size, e);
}

StreamReader *stream_reader_open(const char *path, Error *e)
{
	StreamReader *r = memory_new(1, sizeof *r, e);
	if (r == NULL)
		return NULL;
	bool standard = path == NULL || strcmp(path, "-") == 0;
	r->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	XXH64_reset(&r->hash, 0);
	bool done = (r->name = memory_string(standard ? "standard input" : path, e)) != NULL &&
	            (r->input = memory_new(INPUT_ROOM, 1, e)) != NULL &&
	            (r->fd >= 0 || fail_errno(e, "cannot open")) && begin(r, e);
	if (!done) {
		fail_in(e, "%s", standard ? "standard input" : path);
		stream_reader_free(r);
		return NULL;
	}
	return r;
}

void stream_reader_free(StreamReader *r)
{
	if (r == NULL)
		return;
	if (r->fd > STDIN_FILENO)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	frame_table_free(&r->found);
	frame_table_free(&r->table);
	memory_free(r->input);
	memory_free(r->name);
	memory_free(r);
}

/* Frames */

/* What zstd itself leaves open: every frame here has its size and a checksum. */
static bool read_frame_header(StreamReader *r, uint64_t *declared, Error *e)
{
	enum { CHECKSUM = 4, RESERVED = 0x18, DICTIONARY = 3 };
	size_t have = r->have - r->at;
	const uint8_t *p = r->input + r->at;
	if (have < 6)
		return fail(e, ERROR_MALFORMED, "the stream is truncated");
	if (frame_u32(p) != FRAME_MAGIC)
		return fail(e, ERROR_MALFORMED, "no zstd frame begins at byte %llu",
		            (unsigned long long)r->position);
	unsigned long long size = ZSTD_getFrameContentSize(p, have);
	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
	    (p[4] & (CHECKSUM | RESERVED | DICTIONARY)) != CHECKSUM)
		return fail(e, ERROR_MALFORMED,
		            "the zstd frame at byte %llu has no content size or no checksum",
		            (unsigned long long)r->position);
	*declared = size;
	return r->next == 0 || size <= CHUNK_MAX ||
	       fail(e, ERROR_MALFORMED, "the zstd frame at byte %llu is larger than the 1 GiB of a chunk",
	            (unsigned long long)r->position);
}

static bool zstd_done(size_t result, Error *e)
{
	bool memory = ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation;
	return !ZSTD_isError(result) ||
	       fail(e, memory ? ERROR_FAILURE : ERROR_MALFORMED, "zstd: %s", ZSTD_getErrorName(result));
}

/* Decompresses one frame.  Room grows with what comes, up to what is declared. */
static bool read_frame(StreamReader *r, uint64_t declared, Buffer *out, Frame *frame, Error *e)
{
	XXH64_state_t hash;
	XXH64_reset(&hash, 0);
	*frame = (Frame){.offset = r->position};
	size_t left = 1;
	while (left > 0) {
		if (!fill(r, 1, e) || !buffer_reserve(out, OUTPUT_STEP, e))
			return false;
		ZSTD_inBuffer from = {r->input + r->at, r->have - r->at, 0};
		ZSTD_outBuffer to = {out->data + out->size, out->capacity - out->size, 0};
		left = ZSTD_decompressStream(r->zstd, &to, &from);
		if (!zstd_done(left, e))
			return false;
		if (left > 0 && from.pos == 0 && to.pos == 0)
			return fail(e, ERROR_MALFORMED, "the stream is truncated");
		XXH64_update(&hash, from.src, from.pos);
		use(r, from.pos);
		out->size += to.pos;
		if (out->size > declared) /* zstd would say so, at the end of the frame */
			return fail(e, ERROR_MALFORMED, "the zstd frame at byte %llu is larger than it says",
			            (unsigned long long)frame->offset);
	}
	frame->size = out->size;
	frame->hash = XXH64_digest(&hash);
	return true;
}

static bool same_frame(const Frame *a, const Frame *b)
{
	return a->offset == b->offset && a->size == b->size && a->hash == b->hash;
}

/* Against the table that a regular file had at its end. */
static bool check_frame(const StreamReader *r, const Frame *frame, Error *e)
{
	if (r->end == 0 || (r->next < r->table.count && same_frame(frame, &r->table.frames[r->next])))
		return true;
	return fail(e, ERROR_MALFORMED, "the zstd frame at byte %llu is not the one the end frame tells of",
	            (unsigned long long)frame->offset);
}

/* What was read against what the end frame says. */
static bool check_table(const StreamReader *r, const FrameTable *said, Error *e)
{
	bool same =
	    said->count == r->found.count && said->bytes == r->found.bytes && said->hash == stream_hash(r);
	for (size_t i = 0; i < said->count && same; i++)
		same = same_frame(&said->frames[i], &r->found.frames[i]) &&
		       said->frames[i].users == r->found.frames[i].users;
	return same ||
	       fail(e, ERROR_MALFORMED, "the end frame tells of other documents than those before it");
}

static bool read_end(StreamReader *r, Error *e)
{
	Buffer bytes = {0};
	FrameTable said = {0};
	size_t size = frame_table_size(&r->found);
	bool done =
	    take(r, &bytes, size + 1, e) &&
	    (bytes.size <= size || fail(e, ERROR_MALFORMED, "there are bytes behind the end frame")) &&
	    frame_table_decode(&said, bytes.data, bytes.size, e) && check_table(r, &said, e);
	buffer_free(&bytes);
	frame_table_free(&said);
	r->ended = done;
	return done;
}

/* After a seek there is nothing to compare the end frame with: it was checked when
 * the stream was opened. */
static bool reach_end(StreamReader *r, Error *e)
{
	if (!r->seeked)
		return read_end(r, e);
	r->ended = r->position == r->end && r->next == r->table.count;
	return r->ended || fail(e, ERROR_MALFORMED, "the stream ends where the end frame does not say so");
}

/* Documents */

static bool read_compressed(StreamReader *r, Buffer *out, Error *e)
{
	Frame frame;
	uint64_t declared = 0;
	if (!fill(r, FRAME_HEADER, e))
		return false;
	if (r->have - r->at >= 4 && frame_u32(r->input + r->at) == FRAME_END_MAGIC)
		return reach_end(r, e);
	return read_frame_header(r, &declared, e) && read_frame(r, declared, out, &frame, e) &&
	       check_frame(r, &frame, e) && (r->seeked || frame_table_append(&r->found, frame, e));
}

static bool read_plain(StreamReader *r, Buffer *out, Error *e)
{
	size_t header, whole;
	if (!fill(r, DOCUMENT_PREFIX, e))
		return false;
	r->ended = r->have == r->at;
	if (r->ended)
		return true;
	if (!take(r, out, DOCUMENT_PREFIX, e))
		return false;
	if (out->size < DOCUMENT_PREFIX)
		return fail(e, ERROR_MALFORMED, "neither a stream nor a safetensors document");
	if (!document_header(out->data, &header, e) || !take(r, out, header, e))
		return false;
	if (out->size < header)
		return fail(e, ERROR_MALFORMED, "the document is truncated within its header");
	if (!document_measure(out->data, header, &whole, e) || !take(r, out, whole, e))
		return false;
	return out->size == whole ||
	       fail(e, ERROR_MALFORMED, "the document is truncated: %zu bytes of %zu", out->size, whole);
}

/* Against the table, where there is one yet. */
static bool check_users(const StreamReader *r, const Document *d, Error *e)
{
	uint64_t users = document_users(d);
	if (!r->seeked)
		r->found.frames[r->next].users = users;
	return r->end == 0 || r->table.frames[r->next].users == users ||
	       fail(e, ERROR_MALFORMED, "%llu users where the end frame tells of %llu",
	            (unsigned long long)users, (unsigned long long)r->table.frames[r->next].users);
}

/* What has no end frame may have been cut between two documents. */
static bool count_users(StreamReader *r, const Document *d, Error *e)
{
	if (r->next == 0) {
		r->users = 0;
		r->announced = -1;
		if (document_get(d, "ul.users") != NULL &&
		    !document_get_integer(d, "ul.users", 0, INT64_MAX, &r->announced, e))
			return false;
	}
	r->users += document_users(d);
	return true;
}

static bool check_count(const StreamReader *r, Error *e)
{
	return r->seeked || r->next == 0 || r->announced < 0 || r->users == (uint64_t)r->announced ||
	       fail(e, ERROR_MALFORMED, "%llu users where the first document says %llu",
	            (unsigned long long)r->users, (unsigned long long)r->announced);
}

bool stream_read(StreamReader *r, Document **d, Error *e)
{
	Buffer bytes = {0};
	*d = NULL;
	if (r->ended)
		return true;
	bool done = r->plain ? read_plain(r, &bytes, e) : read_compressed(r, &bytes, e);
	if (done && !r->ended) {
		XXH64_update(&r->hash, bytes.data, bytes.size);
		*d = document_decode(&bytes, e);
		done = *d != NULL && (r->plain || check_users(r, *d, e)) && count_users(r, *d, e);
		r->next += done;
	} else if (done && !check_count(r, e)) {
		r->ended = false;
		return fail_in(e, "%s", r->name);
	}
	if (!done) {
		document_free(*d);
		*d = NULL;
	}
	buffer_free(&bytes);
	return done || (fail_in(e, "%s: document %zu", r->name, r->next + 1), false);
}

size_t stream_frames(const StreamReader *r)
{
	return r->table.count;
}

uint64_t stream_frame_users(const StreamReader *r, size_t index)
{
	return r->table.frames[index].users;
}

bool stream_seek(StreamReader *r, size_t index, Error *e)
{
	if (index > r->table.count || r->table.count == 0)
		return fail(e, ERROR_FAILURE, "%s: there is no document %zu to go to", r->name, index + 1);
	uint64_t offset = index < r->table.count ? r->table.frames[index].offset : r->end;
	if (lseek(r->fd, (off_t)offset, SEEK_SET) < 0)
		return fail_errno(e, "%s: cannot seek", r->name);
	ZSTD_DCtx_reset(r->zstd, ZSTD_reset_session_only);
	frame_table_free(&r->found);
	XXH64_reset(&r->hash, 0);
	r->at = r->have = 0;
	r->exhausted = r->ended = false;
	r->seeked = index > 0; /* from the beginning, all can be checked again */
	r->position = offset;
	r->next = index;
	return true;
}

uint64_t stream_hash(const StreamReader *r)
{
	return XXH64_digest(&r->hash);
}

const char *stream_name(const StreamReader *r)
{
	return r->name;
}

Document *stream_read_one(const char *path, const char *kinds, uint64_t *hash, Error *e)
{
	Document *d = NULL, *more = NULL;
	StreamReader *r = stream_reader_open(path, e);
	if (r == NULL)
		return NULL;
	bool done = stream_read(r, &d, e);
	if (done && d == NULL)
		done = fail(e, ERROR_MALFORMED, "%s: the stream has no document", r->name);
	if (done && !document_check_kind(d, kinds, e))
		done = fail_in(e, "%s", r->name);
	done = done && stream_read(r, &more, e);
	if (done && more != NULL)
		done = fail(e, ERROR_MALFORMED, "%s: more than one document where one is needed", r->name);
	if (done && hash != NULL)
		*hash = stream_hash(r);
	document_free(more);
	stream_reader_free(r);
	if (!done) {
		document_free(d);
		return NULL;
	}
	return d;
}
