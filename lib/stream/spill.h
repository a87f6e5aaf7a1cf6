/* Bytes that wait in a file without a name until there is an order for them. */
#ifndef STREAM_SPILL_H
#define STREAM_SPILL_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

typedef struct {
	FILE *file;
	size_t size;
	void *map;
} Spill;

/* The file lies in $TMPDIR, or /tmp. */
bool spill_open(Spill *s, Error *e);
bool spill_write(Spill *s, const void *data, size_t size, Error *e);
/* All that was written, until spill_close(); nothing may be written after. */
bool spill_map(Spill *s, const void **data, Error *e);
void spill_close(Spill *s); /* may be called twice, or on a zeroed struct */

#endif
