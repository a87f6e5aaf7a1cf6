/* The table of a stream's frames, and the end frame that carries it: a zstd
 * skippable frame, whose layout is in ul-stream(5). */
#ifndef STREAM_FRAME_H
#define STREAM_FRAME_H

#include "base/memory.h"

typedef struct {
	uint64_t offset; /* of its first byte in the stream */
	uint64_t size;   /* decompressed */
	uint64_t users;
	uint64_t hash; /* XXH64 of its compressed bytes */
} Frame;

typedef struct {
	Frame *frames;
	size_t count, capacity;
	uint64_t bytes; /* decompressed, of all frames */
	uint64_t hash;  /* XXH64 of them */
} FrameTable;

#define FRAME_MAGIC     0xFD2FB528u
#define FRAME_END_MAGIC 0x184D2A5Eu

/* No document behind the first is larger (they are about 16 MiB): a small frame may
 * decompress to whatever it likes. */
enum { CHUNK_MAX = 1 << 30 };

bool frame_table_append(FrameTable *t, Frame frame, Error *e);
void frame_table_free(FrameTable *t);

/* The end frame, its skippable header included: its size, and its bytes appended to *out. */
size_t frame_table_size(const FrameTable *t);
bool frame_table_encode(const FrameTable *t, Buffer *out, Error *e);

/* The inverse, with every field checked but the hash of the stream, which only
 * who has read it all can check. */
bool frame_table_decode(FrameTable *t, const uint8_t *bytes, size_t size, Error *e);

/* The size of an end frame, from its last bytes (as many as FRAME_TAIL). */
enum { FRAME_TAIL = 8 };
bool frame_end_size(const uint8_t tail[FRAME_TAIL], size_t *size, Error *e);

uint32_t frame_u32(const uint8_t *p); /* little-endian */

#endif
