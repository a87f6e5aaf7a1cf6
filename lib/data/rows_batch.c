/* Rows by blocks, which threads split where they are simple. */
#include "data/rows_internal.h"

#include <string.h>
#include <sys/stat.h>

bool rows_ahead(Rows *r, Error *e)
{
	return lines_ahead(&r->lines, e);
}

/* Whole lines from `at` on become blocks. */
static size_t cut_blocks(Rows *r)
{
	const uint8_t *start = r->lines.data + r->lines.at, *end = r->lines.data + r->lines.end, *last;
	size_t count = 0;
	for (; start < end; start = last + 1, count++) {
		last = NULL;
		if (end - start > PIECE)
			last = memchr(start + PIECE, '\n', (size_t)(end - start) - PIECE);
		if (last == NULL)
			last = memrchr(start, '\n', (size_t)(end - start));
		if (last == NULL)
			break;
		RowBlock *b = &r->blocks[count];
		b->data = (const char *)start;
		b->size = (size_t)(last + 1 - start);
		b->columns = r->column_count;
	}
	return count;
}

static void split_block(void *context, size_t task)
{
	Rows *r = context;
	RowBlock *b = &r->blocks[task];
	r->simple[task] = false;
	if (b->size <= ROW_MAX)
		block_split(b, *r->format.separator, &r->simple[task], &r->failures[task]);
}

/* The blocks up to the first that is not simple.  Where that is the first of all, it and its
 * like are left to the parser. */
static bool take_blocks(Rows *r, size_t cut, size_t *count, Error *e)
{
	size_t i = 0;
	for (; i < cut && r->simple[i]; i++) {
		r->blocks[i].line = r->lines.line;
		lines_pass(&r->lines, r->blocks[i].size, r->blocks[i].rows);
	}
	*count = i;
	r->by_row = lines_position(&r->lines);
	for (; *count == 0 && i < cut && !r->simple[i]; i++)
		r->by_row += r->blocks[i].size;
	if (cut == 0)
		r->by_row += r->lines.end - r->lines.at;
	lines_mark(&r->lines);
	for (i = 0; i < cut; i++)
		if (r->failures[i].code != ERROR_NONE) {
			*e = r->failures[i];
			return false;
		}
	return true;
}

static bool splits(const Rows *r)
{
	return has_quotes(&r->format) && r->column_count > 1 && r->format.encoding != ENCODING_LATIN1;
}

bool rows_batch(Rows *r, Pool *pool, const RowBlock **blocks, size_t *count, Error *e)
{
	*blocks = r->blocks;
	*count = 0;
	if (splits(r) && lines_position(&r->lines) >= r->by_row) {
		if (!r->lines.at_end && r->lines.end < ROOM && !rows_ahead(r, e))
			return false;
		size_t cut = cut_blocks(r);
		pool_run(pool, cut, split_block, r);
		if (!take_blocks(r, cut, count, e) || *count > 0)
			return e->code == ERROR_NONE;
	}
	RowBlock *b = &r->blocks[PIECES];
	b->rows = 1;
	*blocks = b;
	if (!rows_next(r, &b->fields, e))
		return false;
	b->line = r->row_line;
	*count = b->fields != NULL;
	return true;
}

size_t rows_expected(const Rows *r, const RowBlock *blocks, size_t count)
{
	struct stat status;
	size_t rows = 0, bytes = 0;
	for (size_t i = 0; i < count; i++) {
		rows += blocks[i].rows;
		bytes += blocks[i].size;
	}
	if (bytes == 0 || fstat(r->lines.file, &status) != 0 || !S_ISREG(status.st_mode))
		return 0;
	return (size_t)((double)rows / (double)bytes * (double)status.st_size);
}

void rows_locate(Rows *r, const RowBlock *b, size_t row)
{
	r->row_line = b->line + row;
}
