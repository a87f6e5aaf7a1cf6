/* Writes the embeddings of users, or of items, in any of the formats that the tools speak. */
#ifndef STREAM_ROW_WRITER_H
#define STREAM_ROW_WRITER_H

#include "stream/embeddings.h"

#define ROW_FORMATS "ult|safetensors|npy|csv|jsonl"

typedef struct RowWriter RowWriter;

/* `first` is stamped as kind "embeddings" and has what embeddings_set() sets; it is
 * borrowed until the writer is closed.  path and terminals as in stream_writer_open().
 *   ult          the stream itself
 *   safetensors  the same tensors in one plain document
 *   npy          [rows, dim], of latents [users, latents, dim]; neither users nor scales: I8 is refused
 *   csv          user,e0,e1,…, a line a row; user,position,e0,… with pools none and latents;
 *                item,e0,e1,…,title for items
 *   jsonl        {"user": …, "embedding": […]}, and "position" likewise; "item" for "user"
 *                and "title" for items */
RowWriter *row_writer_open(const char *path, const char *format, const Document *first, Error *e);

/* The next user, with `count` rows of dim (embeddings_each()): floats, or values
 * as they are stored with their scales (NULL unless I8).  ERROR_USAGE where the dtype cannot hold a number,
 * or JSON not say it; ERROR_MALFORMED where a float is none. */
bool row_write(RowWriter *w, Text user, const float *rows, size_t count, Error *e);
bool row_write_stored(RowWriter *w, Text user, const void *values, const float *scales, size_t count,
                      Error *e);

/* The title of the item whose row is written next; borrowed until then. */
void row_title(RowWriter *w, Text title);

/* ERROR_FAILURE if there were not as many users as the first document says.  Frees
 * the writer in any case. */
bool row_writer_close(RowWriter *w, Error *e);
void row_writer_abort(RowWriter *w); /* leaves nothing behind; takes NULL */

#endif
