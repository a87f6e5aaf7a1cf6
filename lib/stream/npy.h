/* NumPy's .npy format, C order, little-endian: versions 1.0 and 2.0 are read, 1.0 is written. */
#ifndef STREAM_NPY_H
#define STREAM_NPY_H

#include "base/memory.h"
#include "stream/dtype.h"
#include "stream/output.h"

/* The header for an array of that dtype and shape; the caller writes the data
 * behind it.  BF16 has no .npy type: ERROR_USAGE. */
bool npy_write_header(Output *o, Dtype dtype, size_t rank, const size_t *shape, Error *e);

enum { NPY_MAX_RANK = 8 };

typedef struct {
	Dtype dtype;
	size_t rank, shape[NPY_MAX_RANK];
	Buffer values; /* aligned for the dtype; the caller's to free, on error too */
	uint64_t hash; /* XXH64 of the file */
} NpyArray;

/* Whether this is a regular file that begins as .npy does. */
bool npy_recognize(const char *path);
/* Reads a file that is just as long as its header says; errors name the path. */
bool npy_read(const char *path, NpyArray *a, Error *e);

#endif
