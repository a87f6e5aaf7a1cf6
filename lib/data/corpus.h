/* Texts of files: what a language model learns from besides a dataset, or is judged by. */
#ifndef DATA_CORPUS_H
#define DATA_CORPUS_H

#include "base/strings.h"

/* Appends the texts of a file ("-": standard input) but empty ones.  Of *.json and *.jsonl: JSON strings and
 * lists of strings, one behind the other, on as many lines as they like; of any other file: its lines, which
 * may end with CR LF, in UTF-8.  *hash (may be NULL) becomes the XXH64 of its bytes.  What is not like that
 * is ERROR_MALFORMED, with file and line. */
bool corpus_read(const char *path, Strings *texts, uint64_t *hash, Error *e);

#endif
