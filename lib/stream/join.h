/* Joins the documents of a stream, a first one and its chunks, into one.
 *
 * A chunk's tensors are laid end to end along their first dimension.  Those called
 * "….offsets" (I64, [n + 1]) say where lists begin in another tensor: they are
 * moved behind what is there, and n adds up. */
#ifndef STREAM_JOIN_H
#define STREAM_JOIN_H

#include "stream/document.h"

typedef struct Joiner Joiner;

/* Only the tensor called `only` is joined; NULL: all.  Both are borrowed until joiner_free(). */
Joiner *joiner_new(const Document *first, const char *only, Error *e);
/* Every chunk must have the same tensors; ERROR_MALFORMED names what does not fit. */
bool joiner_add(Joiner *j, const Document *chunk, Error *e);
/* The whole: the first document's metadata and tensors, and those of the chunks.
 * The joiner keeps it, and its data in temporary files.  NULL on error. */
const Document *joiner_finish(Joiner *j, Error *e);
void joiner_free(Joiner *j); /* takes NULL */

#endif
