/* Numbers and times in text. */
#ifndef DATA_SCALAR_H
#define DATA_SCALAR_H

#include "base/strings.h"

/* Whether the text is a decimal number: 4, -0.5, 1e3. */
bool scalar_is_number(Text t);

/* Seconds since 1970-01-01 UTC, rounded down.  Takes a decimal number of seconds, or
 * a date as in ISO 8601: YYYY-MM-DD, also with T or a blank and HH:MM, HH:MM:SS or
 * HH:MM:SS.SSS, also with Z, +HH:MM or +HH, or - for +, behind it; without one it is UTC. */
bool scalar_time(Text t, int64_t *seconds);
/* The same of a decimal number of milliseconds. */
bool scalar_milliseconds(Text t, int64_t *seconds);

#endif
