/* ul-cat: looks into streams, checks, converts, merges and slices them (ul-cat(1)). */
#include "tool.h"

#include "stream/embeddings.h"
#include "stream/join.h"
#include "stream/shards.h"
#include "stream/row_writer.h"
#include "stream/tensor_file.h"
#include "user/adapter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const Tool tool = {
    .name = "ul-cat",
    .synopsis = "[OPTION]… [FILE…]",
    .summary = "Lists, checks, converts, merges or slices streams of the User-LLM tools (.ult) and\n"
               "plain safetensors files. Without an action, checks a stream and copies it.",
    .examples = "  ul-cat --list encoder.ult\n"
                "  ul-embed -m encoder.ult data.ult | ul-cat --to csv\n"
                "  ul-cat --merge -o users.ult users.1.ult users.2.ult\n",
};

typedef struct {
	CommonOptions common;
	bool list, check, merge;
	const char *to, *tensor, *output, *llm;
	int64_t from, count;
} Settings;

/* --list, --check */

typedef struct {
	uint64_t documents, users, bytes;
	bool counted; /* the first document says how many users there are */
	Embeddings embeddings;
	Document *first;
} Census;

/* What the kind of the stream asks of the documents. */
static bool check_document(Census *c, const Document *d, Error *e)
{
	const char *kind = document_get(c->first, "ul.kind");
	EmbeddingsChunk chunk;
	if (c->documents == 0 && kind != NULL && !document_check_kind(d, kind, e))
		return false;
	if (kind == NULL || strcmp(kind, "embeddings") != 0)
		return true;
	if (c->documents == 0 && !embeddings_get(&c->embeddings, d, e))
		return false;
	if (c->documents == 0 && document_find(d, "embeddings") == NULL)
		return true;
	return (c->documents == 0 || document_check_kind(d, "embeddings-chunk", e)) &&
	       embeddings_chunk(&c->embeddings, d, &chunk, e);
}

/* Control characters could make a terminal lie, and two lines of one. */
static void print_text(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			printf("\\x%02x", (unsigned)*text);
		else
			putchar(*text);
	}
}

static void list_document(const Document *d, uint64_t number)
{
	const char *kind = document_get(d, "ul.kind"), *key, *value;
	printf("document %" PRIu64 ": ", number);
	print_text(kind ? kind : "(no ul.kind)");
	putchar('\n');
	for (size_t i = 0; i < document_metadata_count(d); i++) {
		document_metadata_at(d, i, &key, &value);
		printf("  ");
		print_text(key);
		printf("%*s  ", strlen(key) < 16 ? (int)(16 - strlen(key)) : 0, "");
		print_text(value);
		putchar('\n');
	}
	for (size_t i = 0; i < document_count(d); i++) {
		const DocumentTensor *t = document_at(d, i);
		printf("  %-4s  ", dtype_name(t->dtype));
		print_text(t->name);
		printf("%*s  [", strlen(t->name) < 32 ? (int)(32 - strlen(t->name)) : 0, "");
		for (size_t k = 0; k < t->rank; k++)
			printf(k ? ", %zu" : "%zu", t->shape[k]);
		printf("]\n");
	}
}

static bool count_piece(void *context, const void *data, size_t size, Error *e)
{
	(void)data;
	(void)e;
	*(uint64_t *)context += size;
	return true;
}

static bool take_document(Census *c, Document *d, bool list, Error *e)
{
	if (c->first == NULL) {
		c->first = d;
		c->counted = document_get(d, "ul.users") != NULL;
	}
	bool done = check_document(c, d, e) && document_emit(d, count_piece, &c->bytes, e);
	c->users += document_users(d);
	c->documents++;
	if (list)
		list_document(d, c->documents);
	if (d != c->first)
		document_free(d);
	return done;
}

static bool read_all(StreamReader *r, Census *c, bool list, Error *e)
{
	Document *d;
	*c = (Census){0};
	bool done;
	while ((done = stream_read(r, &d, e)) && d != NULL)
		if (!take_document(c, d, list, e)) {
			document_free(c->first);
			return fail_in(e, "%s: document %" PRIu64, stream_name(r), c->documents);
		}
	document_free(c->first);
	return done;
}

static bool list_or_check(const char *path, const Settings *s, Error *e)
{
	Census c;
	StreamReader *r = stream_reader_open(path, e);
	bool done = r != NULL && read_all(r, &c, s->list, e);
	if (done && !s->common.quiet) {
		print_text(stream_name(r));
		printf(": ok, %" PRIu64 " document%s, ", c.documents, c.documents == 1 ? "" : "s");
		if (c.counted || c.users > 0)
			printf("%" PRIu64 " users, ", c.users);
		printf("%" PRIu64 " bytes, xxh64 %016" PRIx64 "\n", c.bytes, stream_hash(r));
	}
	stream_reader_free(r);
	return done;
}

/* All of them, whatever is wrong with one; the worst counts. */
static bool list_or_check_all(const char *const *paths, size_t count, const Settings *s, Error *e)
{
	Error worst = {0};
	for (size_t i = 0; i < count; i++) {
		Error one = {0};
		if (list_or_check(paths[i], s, &one))
			continue;
		if (worst.code != ERROR_NONE) /* the last is said by main() */
			tool_fail(&tool, &worst);
		one.code = one.code > worst.code ? one.code : worst.code;
		worst = one;
	}
	*e = worst;
	return worst.code == ERROR_NONE;
}

/* --to, --from, --count */

/* Users [from, from + count) of a chunk that starts with user `at` of the stream. */
static bool write_users(RowWriter *w, const EmbeddingsChunk *c, uint64_t at, uint64_t from, uint64_t count,
                        Error *e)
{
	for (size_t u = 0; u < c->users; u++) {
		size_t row, rows = embeddings_rows(c, u, &row);
		if (at + u < from || at + u - from >= count)
			continue;
		row_title(w, embeddings_title(c, u));
		if (!row_write_stored(w, embeddings_user(c, u), embeddings_values(c, row),
		                      c->scales ? c->scales + row : NULL, rows, e))
			return false;
	}
	return true;
}

static bool write_embeddings(EmbeddingsReader *r, RowWriter *w, const Settings *s, Error *e)
{
	EmbeddingsChunk chunk;
	uint64_t from = (uint64_t)s->from, count = (uint64_t)s->count, at;
	if (!embeddings_skip(r, from, &at, e))
		return false;
	do {
		if (!embeddings_next(r, &chunk, e) || !write_users(w, &chunk, at, from, count, e))
			return false;
		at += chunk.users;
		/* A file's end frame has been seen; a pipe must be read to its end. */
	} while (chunk.users > 0 &&
	         (stream_frames(embeddings_stream(r)) == 0 || at < from || at - from < count));
	return true;
}

/* The metadata of the first document, for the users that are asked for. */
static Document *slice_first(const EmbeddingsReader *r, const Settings *s, Error *e)
{
	Document *d = document_new(e);
	const Document *first = embeddings_first(r);
	const char *key, *value;
	uint64_t users = embeddings_of(r)->users, from = (uint64_t)s->from;
	users = users > from ? users - from : 0;
	users = users < (uint64_t)s->count ? users : (uint64_t)s->count;
	bool done = d != NULL;
	for (size_t i = 0; i < document_metadata_count(first) && done; i++) {
		document_metadata_at(first, i, &key, &value);
		done = document_set(d, key, value, e);
	}
	if (done && document_set_format(d, "ul.users", e, "%" PRIu64, users))
		return d;
	document_free(d);
	return NULL;
}

/* Takes over both. */
static bool convert_embeddings(StreamReader *stream, Document *opening, const Settings *s, Error *e)
{
	EmbeddingsReader *r = embeddings_from(stream, opening, e);
	Document *first = r ? slice_first(r, s, e) : NULL;
	RowWriter *w = first ? row_writer_open(s->output, s->to ? s->to : "ult", first, e) : NULL;
	bool done = w != NULL && write_embeddings(r, w, s, e);
	if (done)
		done = row_writer_close(w, e);
	else
		row_writer_abort(w);
	document_free(first);
	embeddings_close(r);
	return done;
}

static bool write_piece(void *context, const void *data, size_t size, Error *e)
{
	return output_write(context, data, size, e);
}

static bool write_joined(const Document *whole, const Settings *s, Error *e)
{
	Output o;
	bool safetensors = strcmp(s->to, "safetensors") == 0, npy = strcmp(s->to, "npy") == 0;
	const DocumentTensor *t = s->tensor ? document_find(whole, s->tensor) : NULL;
	if (s->tensor != NULL && t == NULL)
		return fail(e, ERROR_USAGE, "there is no tensor '%s' (--list shows what there is)",
		            s->tensor);
	if (!safetensors && t == NULL)
		return fail(e, ERROR_USAGE, "--to %s takes one tensor of such a stream: --tensor NAME",
		            s->to);
	if (!output_open(&o, s->output, safetensors || npy, e))
		return false;
	if ((safetensors ? document_emit(whole, write_piece, &o, e) : tensor_write(&o, t, s->to, e)) &&
	    output_close(&o, e))
		return true;
	output_abort(&o);
	return false;
}

static bool join_chunks(StreamReader *r, Joiner *joiner, Error *e)
{
	Document *d = NULL;
	while (stream_read(r, &d, e)) {
		if (d == NULL)
			return true;
		bool done = joiner_add(joiner, d, e);
		document_free(d);
		if (!done)
			return fail_in(e, "%s: its documents cannot be joined", stream_name(r));
	}
	return false;
}

/* Takes over both. */
static bool convert_any(StreamReader *r, Document *first, const Settings *s, Error *e)
{
	Joiner *joiner = joiner_new(first, s->tensor, e);
	const Document *whole = joiner && join_chunks(r, joiner, e) ? joiner_finish(joiner, e) : NULL;
	bool done = whole != NULL && write_joined(whole, s, e);
	joiner_free(joiner);
	document_free(first);
	stream_reader_free(r);
	return done;
}

/* A language model, which is no stream. */
static bool convert_llm(const char *path, const Settings *s, Error *e)
{
	if (path == NULL)
		return fail(
		    e, ERROR_USAGE,
		    "--to gguf reads a language model, or with --llm an adapter: which FILE or folder?");
	if (s->tensor != NULL || s->from > 0 || s->count < INT64_MAX)
		return fail(e, ERROR_USAGE, "--tensor, --from and --count are not for --to gguf");
	if (!llm_differs(s->output, path, e))
		return false;
	return s->llm ? adapter_convert(path, s->llm, s->output, e) : llm_convert(path, NULL, s->output, e);
}

static bool convert(const char *path, const Settings *s, Error *e)
{
	if (s->to != NULL && strcmp(s->to, "gguf") == 0)
		return convert_llm(path, s, e);
	Document *first = NULL;
	StreamReader *r = output_differs(s->output, path, e) ? stream_reader_open(path, e) : NULL;
	bool done = r != NULL && stream_read(r, &first, e);
	if (done && first == NULL)
		done = fail(e, ERROR_MALFORMED, "%s: the stream has no document", stream_name(r));
	const char *kind = done ? document_get(first, "ul.kind") : NULL;
	bool embeddings = kind != NULL && strcmp(kind, "embeddings") == 0 && s->tensor == NULL;
	if (done && !embeddings && (s->from > 0 || s->count < INT64_MAX))
		done = fail(e, ERROR_USAGE, "--from and --count slice embeddings, whole rows of them");
	if (done)
		return embeddings ? convert_embeddings(r, first, s, e) : convert_any(r, first, s, e);
	document_free(first);
	stream_reader_free(r);
	return false;
}

static bool check_settings(const Settings *s, size_t operands, Error *e)
{
	if (s->list + s->check + s->merge + (s->to != NULL) > 1)
		return fail(e, ERROR_USAGE, "one of --list, --check, --merge and --to at a time");
	if ((s->list || s->check) && s->output != NULL)
		return fail(e, ERROR_USAGE,
		            "--list and --check write to standard output: -o is not for them");
	if (s->tensor != NULL && s->to == NULL)
		return fail(e, ERROR_USAGE, "--tensor goes with --to");
	if (s->llm != NULL && (s->to == NULL || strcmp(s->to, "gguf") != 0))
		return fail(e, ERROR_USAGE, "--llm goes with --to gguf");
	if ((s->list || s->check || s->merge) && (s->from > 0 || s->count < INT64_MAX))
		return fail(e, ERROR_USAGE, "--from and --count go with a copy or with --to");
	if (!s->list && !s->check && !s->merge && operands > 1)
		return fail(e, ERROR_USAGE, "one input at most (--merge takes several)");
	return true;
}

static bool act(const Settings *s, const StringList *operands, Error *e)
{
	const char *const standard_input[] = {NULL};
	const char *const *paths = operands->count ? operands->items : standard_input;
	size_t count = operands->count ? operands->count : 1;
	if (!check_settings(s, count, e))
		return false;
	if (s->list || s->check)
		return list_or_check_all(paths, count, s, e);
	if (s->to != NULL || s->from > 0 || s->count < INT64_MAX)
		return convert(paths[0], s, e);
	return stream_merge(paths, count, s->output, e);
}

int main(int argc, char **argv)
{
	Settings s = {.count = INT64_MAX};
	Error e = {0};
	StringList operands = {0};
	Option table[] = {
	    [COMMON_OPTIONS] = {"list", 'l', OPTION_FLAG, &s.list, NULL,
	                        "list the documents: metadata, and the tensors with dtype and shape"},
	    {"check", 'c', OPTION_FLAG, &s.check, NULL, "read all of every FILE and say whether it is whole"},
	    {"merge", 'm', OPTION_FLAG, &s.merge, NULL,
	     "merge datasets, or embeddings, that are shards of one whole"},
	    {"to", 't', OPTION_CHOICE, &s.to, "safetensors|npy|csv|jsonl|gguf",
	     "convert to that format; gguf: a language model, so that other engines run it"},
	    {"llm", 0, OPTION_STRING, &s.llm, "LLM",
	     "with --to gguf: FILE is an adapter that tuned this LLM and knows no user", .input = true},
	    {"tensor", 0, OPTION_STRING, &s.tensor, "NAME", "with --to: that tensor alone"},
	    {"from", 0, OPTION_INTEGER, &s.from, "N", "leave out the first N users of embeddings", 0, 9e15},
	    {"count", 0, OPTION_INTEGER, &s.count, "N", "no more than N users of embeddings", 0, 9e15},
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write FILE instead of standard output",
	     .incidental = true, .written = true},
	};
	tool_start(&tool, table, sizeof table / sizeof *table, &s.common, &operands, argc, argv);
	bool done = act(&s, &operands, &e);
	string_list_free(&operands);
	return tool_finish(&tool, done, &e);
}
