/* One tensor as a file that other programs read. */
#ifndef STREAM_TENSOR_FILE_H
#define STREAM_TENSOR_FILE_H

#include "stream/document.h"
#include "stream/output.h"

/* format: npy; csv and jsonl (rank ≤ 2; a line a row, no head; in jsonl a row of a
 * matrix is a list, an element of a vector a number).  What a format cannot hold is an
 * ERROR_USAGE. */
bool tensor_write(Output *o, const DocumentTensor *t, const char *format, Error *e);

#endif
