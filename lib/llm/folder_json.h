/* The JSON files of a Hugging Face folder. */
#ifndef LLM_FOLDER_JSON_H
#define LLM_FOLDER_JSON_H

#include "base/error.h"

#include <jansson.h>

/* The object that the file has, to be given back with json_decref(); `flags` are jansson's.  NULL with an
 * error that names the file, and without one where it is optional and missing. */
json_t *folder_json(const char *folder, const char *name, bool optional, size_t flags, Error *e);

#endif
