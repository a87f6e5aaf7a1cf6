#include "stream/frame.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Offsets within the end frame; the frames' entries, 32 bytes each, lie between
 * the fixed part and the foot (hash, size, magic). */
enum { HEADER = 8, FIXED = HEADER + 40, ENTRY = 32, FOOT = 16, VERSION = 1 };

static const char magic[8] = "ul-ends\n";
static const char last_magic[4] = "ulE\n";

/* Little-endian. */
static uint64_t frame_u64(const uint8_t *p)
{
	uint64_t x = 0;
	for (int i = 0; i < 8; i++)
		x |= (uint64_t)p[i] << (8 * i);
	return x;
}

uint32_t frame_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put(Buffer *out, uint64_t x, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out->data[out->size++] = (uint8_t)(x >> (8 * i));
}

bool frame_table_append(FrameTable *t, Frame frame, Error *e)
{
	if (!memory_grow(&t->frames, &t->capacity, t->count + 1, sizeof *t->frames, e))
		return false;
	t->frames[t->count++] = frame;
	t->bytes += frame.size;
	return true;
}

void frame_table_free(FrameTable *t)
{
	memory_free(t->frames);
	*t = (FrameTable){0};
}

size_t frame_table_size(const FrameTable *t)
{
	return FIXED + ENTRY * t->count + FOOT;
}

bool frame_table_encode(const FrameTable *t, Buffer *out, Error *e)
{
	if (t->count > (UINT32_MAX - FIXED - FOOT) / ENTRY)
		return fail(e, ERROR_FAILURE, "a stream of %zu documents: too many", t->count);
	size_t size = frame_table_size(t), start = out->size;
	if (!buffer_reserve(out, size, e))
		return false;
	put(out, FRAME_END_MAGIC, 4);
	put(out, size - HEADER, 4);
	memcpy(out->data + out->size, magic, sizeof magic);
	out->size += sizeof magic;
	put(out, VERSION, 8);
	put(out, t->count, 8);
	put(out, t->bytes, 8);
	put(out, t->hash, 8);
	for (const Frame *f = t->frames; f < t->frames + t->count; f++) {
		put(out, f->offset, 8);
		put(out, f->size, 8);
		put(out, f->users, 8);
		put(out, f->hash, 8);
	}
	put(out, XXH64(out->data + start, out->size - start, 0), 8);
	put(out, size, 4);
	memcpy(out->data + out->size, last_magic, sizeof last_magic);
	out->size += sizeof last_magic;
	return true;
}

bool frame_end_size(const uint8_t tail[FRAME_TAIL], size_t *size, Error *e)
{
	*size = frame_u32(tail);
	if (memcmp(tail + 4, last_magic, sizeof last_magic) != 0)
		return fail(
		    e, ERROR_MALFORMED,
		    "the stream does not close with an end frame: it is truncated, or has more behind it");
	if (*size < FIXED + FOOT || (*size - FIXED - FOOT) % ENTRY != 0)
		return fail(e, ERROR_MALFORMED, "the end frame is damaged: no table is of %zu bytes", *size);
	return true;
}

static bool decode_entries(FrameTable *t, const uint8_t *entries, uint64_t documents, Error *e)
{
	for (uint64_t i = 0; i < documents; i++) {
		const uint8_t *p = entries + ENTRY * i;
		Frame f = {frame_u64(p), frame_u64(p + 8), frame_u64(p + 16), frame_u64(p + 24)};
		bool follows = i == 0 ? f.offset == 0 : f.offset > t->frames[i - 1].offset;
		if (!follows || f.size > UINT64_MAX - t->bytes)
			return fail(e, ERROR_MALFORMED, "the end frame is damaged: entry %llu makes no sense",
			            (unsigned long long)i);
		if (!frame_table_append(t, f, e))
			return false;
	}
	return true;
}

bool frame_table_decode(FrameTable *t, const uint8_t *bytes, size_t size, Error *e)
{
	*t = (FrameTable){0};
	size_t said;
	if (size < FIXED + FOOT)
		return fail(e, ERROR_MALFORMED, "the stream is truncated within its end frame");
	if (!frame_end_size(bytes + size - FRAME_TAIL, &said, e))
		return false;
	if (memcmp(bytes + HEADER, magic, sizeof magic) == 0 && frame_u64(bytes + HEADER + 8) != VERSION)
		return fail(e, ERROR_MALFORMED, "an end frame of version %llu; this program reads version %d",
		            (unsigned long long)frame_u64(bytes + HEADER + 8), VERSION);
	uint64_t documents = (size - FIXED - FOOT) / ENTRY;
	if (said != size || frame_u32(bytes) != FRAME_END_MAGIC || frame_u32(bytes + 4) != size - HEADER ||
	    memcmp(bytes + HEADER, magic, sizeof magic) != 0 || frame_u64(bytes + HEADER + 16) != documents ||
	    XXH64(bytes, size - FOOT, 0) != frame_u64(bytes + size - FOOT))
		return fail(e, ERROR_MALFORMED, "the end frame is damaged");
	if (!decode_entries(t, bytes + FIXED, documents, e) || t->bytes != frame_u64(bytes + HEADER + 24)) {
		frame_table_free(t);
		return fail(e, ERROR_MALFORMED, "the end frame is damaged: its sizes do not add up");
	}
	t->hash = frame_u64(bytes + HEADER + 32);
	return true;
}
