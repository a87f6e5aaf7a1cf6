/* Python literals, as repr() writes them: what {'asin': 'B1', 'price': 9.5} has, as a JSON value. */
#ifndef DATA_LITERAL_H
#define DATA_LITERAL_H

#include "base/strings.h"

#include <jansson.h>

enum { LITERAL_DEPTH_MAX = 100 }; /* brackets in brackets */

/* A dict, a list, a string, a decimal number, None, True or False; the keys of a dict are strings.
 * Python 2's u'' and 12L are taken, too; whatever else could be calculated is not.  The text is
 * UTF-8.  The caller has the value (json_decref()).
 *
 * What stands there otherwise is ERROR_MALFORMED, with the column, in characters from 1. */
json_t *literal_read(Text text, Error *e);

#endif
