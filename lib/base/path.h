/* Names of files. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/error.h"

/* What is behind the last slash; the whole path where that is nothing.  A part of it. */
const char *path_basename(const char *path);
/* "folder/name", the caller's to free with memory_free(). */
char *path_join(const char *folder, const char *name, Error *e);
bool path_is_directory(const char *path);
/* Whether nothing is there, not even a link to what is gone.  What is there and cannot be read is not
 * missing. */
bool path_is_missing(const char *path);

#endif
