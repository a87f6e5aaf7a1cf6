/* NumPy's .npy format, version 1.0, C order, little-endian. */
#ifndef STREAM_NPY_H
#define STREAM_NPY_H

#include "stream/dtype.h"
#include "stream/output.h"

/* The header for an array of that dtype and shape; the caller writes the data
 * behind it.  BF16 has no .npy type: ERROR_USAGE. */
bool npy_write_header(Output *o, Dtype dtype, size_t rank, const size_t *shape, Error *e);

#endif
