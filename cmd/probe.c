#include "probe.h"

#include "data/corpus.h"
#include "llm/worth.h"
#include "math/vector.h"
#include "stream/npy.h"
#include "texts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool probe_lines(const char *path, Strings *lines, Error *e)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	bool done = file != NULL || fail_errno(e, "%s: cannot open", path);
	while (done && (size = getline(&line, &capacity, file)) >= 0)
		done = strings_append(lines, line, (size_t)size - (line[size - 1] == '\n'), e);
	if (done && ferror(file))
		done = fail_errno(e, "%s: cannot read", path);
	free(line);
	if (file != NULL && file != stdin)
		fclose(file); /* was only read from: nothing can be lost */
	return done;
}

static bool write_ids(Output *o, const Tokens *ids, Error *e)
{
	Buffer line = {0};
	bool done = buffer_append(&line, "[", 1, e);
	for (size_t i = 0; done && i < ids->count; i++)
		done = buffer_print(&line, e, i ? ", %d" : "%d", ids->ids[i]);
	done = done && buffer_append(&line, "]\n", 2, e) && output_write(o, line.data, line.size, e);
	buffer_free(&line);
	return done;
}

static bool write_tokens(const Tokenizer *t, const Strings *lines, Output *o, Error *e)
{
	Tokens ids = {0};
	bool done = true;
	/* What tokenizer.json describes recognises special tokens everywhere. */
	unsigned flags = tokenizer_model(t)->own_steps ? TOKENIZE_SPECIAL : 0;
	for (size_t i = 0; done && i < lines->count; i++) {
		ids.count = 0;
		done = tokenizer_encode(t, strings_at(lines, i), flags, &ids, e) && write_ids(o, &ids, e);
	}
	tokens_free(&ids);
	return done;
}

bool probe_tokens(const char *llm, const StringList *files, const char *output, Error *e)
{
	Strings lines = {0};
	Output o = {0};
	Tokenizer *t = llm_tokenizer(llm, e);
	bool done = t != NULL && (files->count > 0 || probe_lines("-", &lines, e));
	for (size_t i = 0; done && i < files->count; i++)
		done = output_differs(output, files->items[i], e) && probe_lines(files->items[i], &lines, e);
	done = done && output_open(&o, output, false, e) && write_tokens(t, &lines, &o, e) &&
	       output_close(&o, e);
	output_abort(&o);
	strings_free(&lines);
	tokenizer_free(t);
	return done;
}

/* The list in the file, of the LLM's tokens. */
static bool read_ids(const Llm *llm, const char *path, Tokens *out, Error *e)
{
	json_error_t problem = {0};
	bool standard = strcmp(path, "-") == 0;
	json_t *list = standard ? json_loadf(stdin, 0, &problem) : json_load_file(path, 0, &problem), *item;
	size_t index;
	bool done = json_is_array(list);
	if (!done && list == NULL && problem.line < 0)
		fail(e, ERROR_FAILURE, "%s", problem.text);
	else if (!done)
		fail(e, ERROR_MALFORMED, "%s: line %d: is no JSON list of token ids", path,
		     list ? 1 : problem.line);
	json_array_foreach(list, index, item)
	{
		json_int_t id = json_integer_value(item);
		if (done && (!json_is_integer(item) || id < 0 || (size_t)id >= llm->shape.V))
			done = fail(e, ERROR_MALFORMED, "%s: element %zu is none of the LLM's %zu tokens",
			            path, index, llm->shape.V);
		const int32_t token = (int32_t)id;
		done = done && tokens_append(out, &token, 1, e);
	}
	json_decref(list);
	return done;
}

/* One pass over all tokens; logits by pieces, since a vocabulary is large. */
static bool write_logits(const Llm *llm, const Tokens *ids, bool exact, Output *o, Pool *pool, Error *e)
{
	enum { PIECE = 64 };
	Tape t = {.pool = pool, .exact = exact};
	size_t N = ids->count, shape[] = {N, llm->shape.V};
	int32_t *positions = arena_new(&t.arena, N, sizeof *positions, e);
	bool done = positions != NULL && npy_write_header(o, DTYPE_F32, 2, shape, e);
	for (size_t i = 0; done && i < N; i++)
		positions[i] = (int32_t)i;
	AttentionSegment segment = {0, N, 0, N, true};
	Sequence s = {.positions = positions, .segments = &segment, .segment_count = 1};
	const Tensor *h = done && N > 0 ? llm_forward(&t, llm, ids->ids, N, &s, NULL) : NULL;
	for (size_t first = 0; h != NULL && done && first < N; first += PIECE) {
		ArenaMark mark = arena_mark(&t.arena);
		size_t rows = N - first < PIECE ? N - first : PIECE;
		const Tensor *y =
		    llm_logits(&t, llm, tape_constant(&t, h->value + first * h->cols, rows, h->cols));
		done = y != NULL && (vector_finite(y->value, y->rows * y->cols) || llm_no_numbers(llm, e)) &&
		       output_write(o, y->value, y->rows * y->cols * sizeof *y->value, e);
		arena_rewind(&t.arena, mark);
	}
	if (e->code == ERROR_NONE && t.error.code != ERROR_NONE)
		*e = t.error;
	tape_free(&t);
	return e->code == ERROR_NONE;
}

bool probe_logits(const Llm *llm, const char *ids, bool exact, const char *output, Pool *pool, Error *e)
{
	Tokens tokens = {0};
	Output o = {0};
	bool done = read_ids(llm, ids, &tokens, e) && output_open(&o, output, true, e) &&
	            write_logits(llm, &tokens, exact, &o, pool, e) && output_close(&o, e);
	output_abort(&o);
	tokens_free(&tokens);
	return done;
}

/* Texts [first, end). */
static bool write_worth(const Llm *llm, const Strings *texts, size_t first, size_t end, bool exact, Output *o,
                        Pool *pool, size_t *cut, Error *e)
{
	Worth *worth = memory_new(end - first, sizeof *worth, e);
	bool done = worth != NULL && llm_worth(llm, texts, first, end, exact, pool, worth, e);
	for (const Worth *w = worth; done && w < worth + (end - first); w++) {
		*cut += w->pieces > 1;
		done = write_json_line(o,
		                       json_pack("{s:s, s:f, s:I}", "task", "text", "nll", w->nll, "tokens",
		                                 (json_int_t)w->tokens),
		                       e);
	}
	memory_free(worth);
	return done;
}

bool probe_worth(const Llm *llm, const StringList *files, bool exact, const char *output, Pool *pool,
                 size_t *cut, Error *e)
{
	enum { SOME = 1024 };
	Strings texts = {0};
	Output o = {0};
	bool done = files->count > 0 || corpus_read("-", &texts, NULL, e);
	for (size_t i = 0; done && i < files->count; i++)
		done = output_differs(output, files->items[i], e) &&
		       corpus_read(files->items[i], &texts, NULL, e);
	done = done && output_open(&o, output, false, e);
	for (size_t first = 0, end; done && first < texts.count; first = end) {
		end = texts.count - first < SOME ? texts.count : first + SOME;
		done = write_worth(llm, &texts, first, end, exact, &o, pool, cut, e);
	}
	done = done && output_close(&o, e);
	output_abort(&o);
	strings_free(&texts);
	return done;
}
