/* Merges streams that are shards of one whole. */
#ifndef STREAM_SHARDS_H
#define STREAM_SHARDS_H

#include "base/error.h"

#include <stddef.h>

/* Copies one stream, whatever it is, or merges several datasets or sets of
 * embeddings (NULL or "-" is standard input): their first documents must be equal but
 * for the totals (ul.users, ul.events), which add up, and ul.argv, which the first
 * one gives; no user may be in two. */
bool stream_merge(const char *const *paths, size_t count, const char *output, Error *e);

#endif
