/* SentencePiece's precompiled table of replacements: a double array (Aoe 1989, as
 * darts-clone lays it out), and the strings that it leads to. */
#ifndef TEXT_CHARSMAP_H
#define TEXT_CHARSMAP_H

#include "base/strings.h"

/* Parts of the table's bytes, which are borrowed. */
typedef struct {
	Text units;   /* of 32 bits, little-endian */
	Text strings; /* each ends with NUL */
} Charsmap;

/* ERROR_MALFORMED where the table is cut short. */
bool charsmap_open(Text table, Charsmap *map, Error *e);

/* The length of the longest key that `text` begins with, and what replaces it; 0: none.
 * A broken table finds less, and never reads beyond itself. */
size_t charsmap_find(const Charsmap *map, Text text, Text *replacement);

#endif
