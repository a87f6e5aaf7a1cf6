/* A line that is an object, in JSON or as a Python dict, and its values as fields. */
#ifndef DATA_OBJECT_H
#define DATA_OBJECT_H

#include "base/strings.h"

#include <jansson.h>

/* Either: line by line; `{'` and `{u` begin a dict, all else is JSON. */
typedef enum { SYNTAX_JSON, SYNTAX_PYTHON, SYNTAX_EITHER } Syntax;

/* What stands between the elements of a list, which make one field. */
#define LIST_SEPARATOR '\x1f'

/* ERROR_MALFORMED says what is wrong, and in which column; json_decref() is the caller's. */
json_t *object_read(Text line, Syntax syntax, Error *e);

/* Appends a value as text.  null and NULL are nothing; the elements of a list, and of the lists in
 * it, have LIST_SEPARATOR between; an object in a list or by itself is JSON. */
bool object_append_field(Buffer *out, const json_t *value, Error *e);

#endif
