/* Whole files. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/memory.h"

/* Appends all that the file has, or "-": standard input.  Errors do not name it. */
bool file_read(const char *path, Buffer *bytes, Error *e);

#endif
