#include "data/lines.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* data[mark … end) to the front of the other buffer, which becomes the one in use. */
static void turn_over(Lines *l)
{
	uint8_t *other = l->spare;
	memcpy(other, l->data + l->mark, l->end - l->mark);
	l->spare = l->data;
	l->data = other;
	l->before += l->mark;
	l->at -= l->mark;
	l->end -= l->mark;
	l->mark = 0;
}

static bool read_more(Lines *l, Error *e)
{
	ssize_t got;
	do
		got = read(l->file, l->data + l->end, l->room - l->end);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_errno(e, "%s", l->name);
	XXH64_update(&l->hash, l->data + l->end, (size_t)got);
	l->end += (size_t)got;
	l->at_end = got == 0;
	return true;
}

/* Reads more behind data[mark … end), which moves to the front. */
static bool fill(Lines *l, Error *e)
{
	turn_over(l);
	return read_more(l, e);
}

void lines_mark(Lines *l)
{
	l->mark = l->at;
	l->mark_line = l->line;
}

void lines_back(Lines *l)
{
	l->at = l->mark;
	l->line = l->mark_line;
}

bool lines_take(Lines *l, size_t most, Text *line, bool *too_long, Error *e)
{
	size_t scanned = 0;
	const uint8_t *found = NULL;
	*line = (Text){0};
	for (;;) {
		found = memchr(l->data + l->at + scanned, '\n', l->end - l->at - scanned);
		if (found != NULL || l->at_end || l->end - l->mark > most)
			break;
		scanned = l->end - l->at;
		if (!fill(l, e))
			return false;
	}
	size_t size = (found ? (size_t)(found + 1 - l->data) : l->end) - l->at;
	*too_long = l->at + size - l->mark > most;
	if (*too_long)
		return true;
	*line = (Text){(const char *)l->data + l->at, size};
	lines_pass(l, size, size > 0);
	return true;
}

bool lines_skip(Lines *l, Error *e)
{
	const uint8_t *found;
	while ((found = memchr(l->data + l->mark, '\n', l->end - l->mark)) == NULL && !l->at_end) {
		l->mark = l->at = l->end;
		if (!fill(l, e))
			return false;
	}
	l->at = found ? (size_t)(found + 1 - l->data) : l->end;
	l->line = l->mark_line + 1;
	return true;
}

void lines_pass(Lines *l, size_t size, size_t count)
{
	l->at += size;
	l->line += count;
}

bool lines_read(Lines *l, size_t size, Error *e)
{
	while (!l->at_end && l->end - l->mark < size)
		if (!fill(l, e))
			return false;
	return true;
}

bool lines_ahead(Lines *l, Error *e)
{
	lines_mark(l);
	turn_over(l);
	while (!l->at_end && l->end < l->room)
		if (!read_more(l, e))
			return false;
	return true;
}

size_t lines_position(const Lines *l)
{
	return l->before + l->at;
}

/* What is no text can be made text by another program, which is named. */
static bool check_magic(const Lines *l, Error *e)
{
	static const struct {
		const char *magic;
		size_t size;
		const char *kind, *unpack;
	} kinds[] = {
	    {"\x1f\x8b", 2, "compressed with gzip", "zcat"},
	    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd", "zstdcat"},
	    {"\xfd\x37zXZ", 5, "compressed with xz", "xzcat"},
	    {"PK\x03\x04", 4, "a ZIP archive", "unzip -p"},
	    {"\xff\xfe", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8"},
	    {"\xfe\xff", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8"},
	};
	bool standard = l->file == STDIN_FILENO;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (l->end >= kinds[i].size && memcmp(l->data, kinds[i].magic, kinds[i].size) == 0)
			return fail(e, ERROR_MALFORMED, "%s: this is %s: %s %s | ul-prep ...", l->name,
			            kinds[i].kind, kinds[i].unpack, standard ? "FILE" : l->name);
	return true;
}

/* Bytes that are not touched before there is something to put into them. */
static bool make_room(uint8_t **data, size_t size, Error *e)
{
	size_t capacity = 0;
	return memory_grow(data, &capacity, size, 1, e);
}

bool lines_open(Lines *l, const char *path, size_t room, Error *e)
{
	bool standard = path == NULL || strcmp(path, "-") == 0;
	*l = (Lines){.name = standard ? "standard input" : path, .room = room, .line = 1, .mark_line = 1};
	XXH64_reset(&l->hash, 0);
	l->file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (l->file < 0)
		return fail_errno(e, "%s", l->name);
	enum { MAGIC_MOST = 5 };
	if (!make_room(&l->data, room, e) || !make_room(&l->spare, room, e) ||
	    !lines_read(l, MAGIC_MOST, e) || !check_magic(l, e))
		return false;
	if (l->end >= 3 && memcmp(l->data, "\xef\xbb\xbf", 3) == 0)
		lines_pass(l, 3, 0);
	lines_mark(l);
	return true;
}

void lines_close(Lines *l)
{
	if (l->file > STDERR_FILENO)
		close(l->file);
	memory_free(l->data);
	memory_free(l->spare);
}
