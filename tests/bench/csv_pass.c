/* The bare pass that ul-prep is measured against: libcsv over a file in blocks of 1 MiB, with
 * callbacks that only count. */
#include <csv.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
	size_t fields, rows;
} Counts;

static void on_field(void *data, size_t size, void *context)
{
	(void)data;
	(void)size;
	((Counts *)context)->fields++;
}

static void on_row(int end, void *context)
{
	(void)end;
	((Counts *)context)->rows++;
}

int main(int argc, char **argv)
{
	enum { BLOCK = 1 << 20 };
	static char block[BLOCK];
	struct csv_parser parser;
	Counts counts = {0};
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
	if (f == NULL || csv_init(&parser, 0) != 0) {
		fputs("usage: csv_pass FILE\n", stderr);
		return 2;
	}
	for (size_t got; (got = fread(block, 1, BLOCK, f)) > 0;)
		if (csv_parse(&parser, block, got, on_field, on_row, &counts) != got)
			return 1;
	csv_fini(&parser, on_field, on_row, &counts);
	csv_free(&parser);
	fclose(f);
	printf("%zu rows, %zu fields\n", counts.rows, counts.fields);
	return 0;
}
