/* Classes of code points (base/strings.h reads and writes UTF-8), and the printable alphabet in
 * which byte-level BPE spells bytes. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include "base/strings.h"

/* U+2581: how SentencePiece spells a space. */
#define VISIBLE_SPACE "\xe2\x96\x81"
enum { VISIBLE_SPACE_SIZE = sizeof VISIBLE_SPACE - 1 };

bool utf8_is_space(uint32_t code); /* Unicode's White_Space */

/* GPT-2's alphabet: bytes that print in Latin-1 stand for themselves, the others
 * for 256, 257, … in their order. */
uint32_t alphabet_of_byte(uint8_t byte);
int alphabet_to_byte(uint32_t code); /* -1: not in the alphabet */

#endif
