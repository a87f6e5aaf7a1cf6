/* The lines of a file as they come, in bounded memory.  The bytes from a mark on are kept, so that what goes
 * over several lines lies in one piece, and can be read again. */
#ifndef DATA_LINES_H
#define DATA_LINES_H

#include "base/strings.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* For its users to read, and lines.c alone to write. */
typedef struct {
	const char *name; /* for messages */
	int file;
	XXH64_state_t hash;    /* of the bytes read */
	uint8_t *data, *spare; /* room each; the next bytes are read into the other one */
	size_t room;
	size_t before;          /* bytes of the file before data */
	size_t mark, at, end;   /* in data: kept from the mark on, taken up to `at`, read up to the end */
	bool at_end;            /* of the file */
	size_t mark_line, line; /* numbers of the lines at the mark and at `at`, from 1 */
} Lines;

/* path NULL or "-" is standard input, and must last as long as the lines do.  A byte order mark is passed
 * over; a file that another program unpacks first is an ERROR_MALFORMED that names it.  Whatever came of it,
 * lines_close() is the caller's. */
bool lines_open(Lines *l, const char *path, size_t room, Error *e);
void lines_close(Lines *l);

void lines_mark(Lines *l); /* at what is next */
void lines_back(Lines *l); /* to the mark */

/* The next line with its end, valid until more is read; empty at the end of the file.  *too_long, and nothing
 * is taken, where there would be more than `most` bytes, fewer than there is room for, from the mark to its
 * end. */
bool lines_take(Lines *l, size_t most, Text *line, bool *too_long, Error *e);
/* Goes on behind the line at the mark, however long that is; the mark is lost. */
bool lines_skip(Lines *l, Error *e);
/* Takes whole lines at once: `size` bytes, `count` lines, that lie behind `at`. */
void lines_pass(Lines *l, size_t size, size_t count);

/* Reads until there are `size` bytes, for which there is room, from the mark on, or the file ends. */
bool lines_read(Lines *l, size_t size, Error *e);
/* Marks what is next, and reads as much behind it as there is room for.  What was taken before stays valid
 * until more is read after that. */
bool lines_ahead(Lines *l, Error *e);

/* Of `at` in the file. */
size_t lines_position(const Lines *l);

#endif
