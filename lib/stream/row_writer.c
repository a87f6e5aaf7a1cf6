#include "stream/row_writer.h"

#include "stream/join.h"
#include "stream/npy.h"
#include "stream/output.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 8 << 20 }; /* well under the 16 MiB of ul-stream(5), whatever the last user adds */

typedef enum { FORMAT_ULT, FORMAT_SAFETENSORS, FORMAT_NPY, FORMAT_CSV, FORMAT_JSONL, FORMAT_COUNT } Format;

struct RowWriter {
	Format format;
	Embeddings of;
	Output output;        /* but of ult */
	StreamWriter *stream; /* ult */
	Joiner *joiner;       /* safetensors, npy */
	size_t users;         /* so far */
	Text title;           /* of the next item */
	/* The chunk that is being filled: */
	Strings ids, titles;
	Buffer values, scales;
	int64_t *row_offsets;
	size_t row_offsets_capacity;
	/* Room for one user: */
	Buffer stored, stored_scales, text;
	float *row;
};

static bool parse_format(const char *name, Format *format, Error *e)
{
	static const char *const names[FORMAT_COUNT] = {"ult", "safetensors", "npy", "csv", "jsonl"};
	for (int i = 0; i < FORMAT_COUNT; i++) {
		*format = (Format)i;
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return fail(e, ERROR_USAGE, "the format is one of " ROW_FORMATS ", not '%s'", name);
}

static bool write_csv_head(RowWriter *w, Error *e)
{
	const char *whose = embeddings_items(&w->of) ? "item" : "user";
	if (!buffer_print(&w->text, e, embeddings_each(&w->of) == 1 ? "%s" : "%s,position", whose))
		return false;
	for (size_t i = 0; i < w->of.dim; i++)
		if (!buffer_print(&w->text, e, ",e%zu", i))
			return false;
	return buffer_print(&w->text, e, w->of.titled ? ",title\n" : "\n") &&
	       output_write(&w->output, w->text.data, w->text.size, e);
}

static bool open_format(RowWriter *w, const char *path, const Document *first, Error *e)
{
	if (w->format == FORMAT_ULT)
		return (w->stream = stream_writer_open(path, e)) != NULL && stream_write(w->stream, first, e);
	if (w->format == FORMAT_NPY && (w->of.dtype == DTYPE_I8 || w->of.dtype == DTYPE_BF16))
		return fail(e, ERROR_USAGE,
		            "npy has no place for %s: choose f32 or f16, or ult or safetensors",
		            w->of.dtype == DTYPE_I8 ? "the scales of i8" : "bf16");
	bool text = w->format == FORMAT_CSV || w->format == FORMAT_JSONL;
	if (!output_open(&w->output, path, !text, e))
		return false;
	if (!text)
		return (w->joiner = joiner_new(first, w->format == FORMAT_NPY ? "embeddings" : NULL, e)) !=
		       NULL;
	return w->format == FORMAT_JSONL || write_csv_head(w, e);
}

RowWriter *row_writer_open(const char *path, const char *format, const Document *first, Error *e)
{
	RowWriter *w = memory_new(1, sizeof *w, e);
	if (w == NULL)
		return NULL;
	if (!parse_format(format, &w->format, e) || !embeddings_get(&w->of, first, e) ||
	    (w->row = memory_new(w->of.dim, sizeof *w->row, e)) == NULL || !open_format(w, path, first, e)) {
		row_writer_abort(w);
		return NULL;
	}
	return w;
}

void row_writer_abort(RowWriter *w)
{
	if (w == NULL)
		return;
	stream_writer_abort(w->stream);
	output_abort(&w->output);
	joiner_free(w->joiner);
	strings_free(&w->ids);
	strings_free(&w->titles);
	buffer_free(&w->values);
	buffer_free(&w->scales);
	memory_free(w->row_offsets);
	buffer_free(&w->stored);
	buffer_free(&w->stored_scales);
	buffer_free(&w->text);
	memory_free(w->row);
	memory_free(w);
}

/* Text */

/* RFC 4180: in quotes where it must be, quotes doubled. */
static bool print_csv_field(Buffer *out, Text field, Error *e)
{
	bool plain = true;
	for (size_t i = 0; i < field.size; i++)
		plain = plain && strchr(",\"\r\n", field.data[i]) == NULL;
	if (plain)
		return buffer_append(out, field.data, field.size, e);
	bool done = buffer_append(out, "\"", 1, e);
	for (size_t i = 0; i < field.size && done; i++)
		done = (field.data[i] != '"' || buffer_append(out, "\"", 1, e)) &&
		       buffer_append(out, &field.data[i], 1, e);
	return done && buffer_append(out, "\"", 1, e);
}

static bool print_json_string(Buffer *out, Text text, Error *e)
{
	json_t *json = json_stringn(text.data, text.size);
	char *quoted = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
	bool done = quoted ? buffer_append(out, quoted, strlen(quoted), e)
	                   : fail(e, ERROR_MALFORMED, "'%.*s' is not UTF-8, which JSON needs",
	                          (int)(text.size < 100 ? text.size : 100), text.data);
	free(quoted);
	json_decref(json);
	return done;
}

static bool is_finite(const float *row, size_t dim)
{
	bool finite = true;
	for (size_t i = 0; i < dim; i++)
		finite = finite && isfinite(row[i]);
	return finite;
}

static bool fail_row(Text user, int code, const char *what, Error *e)
{
	return fail(e, code, "the embedding of '%.*s' is %s", (int)(user.size < 100 ? user.size : 100),
	            user.data, what);
}

static bool print_row(RowWriter *w, Text user, size_t position, Error *e)
{
	Buffer *out = &w->text;
	bool csv = w->format == FORMAT_CSV, several = embeddings_each(&w->of) != 1;
	if (!csv && !is_finite(w->row, w->of.dim))
		return fail_row(user, ERROR_USAGE, "not finite, which JSON cannot say: use csv", e);
	bool done = csv ? print_csv_field(out, user, e)
	                : buffer_print(out, e, embeddings_items(&w->of) ? "{\"item\": " : "{\"user\": ") &&
	                      print_json_string(out, user, e);
	if (done && !csv && w->of.titled)
		done = buffer_print(out, e, ", \"title\": ") && print_json_string(out, w->title, e);
	if (done && several)
		done = buffer_print(out, e, csv ? ",%zu" : ", \"position\": %zu", position);
	done = done && (csv || buffer_print(out, e, ", \"embedding\": ["));
	for (size_t i = 0; i < w->of.dim && done; i++)
		done = buffer_print(out, e, csv ? ",%.9g" : i ? ", %.9g" : "%.9g", (double)w->row[i]);
	/* Behind the numbers, where a comma in it moves no other column. */
	if (done && csv && w->of.titled)
		done = buffer_print(out, e, ",") && print_csv_field(out, w->title, e);
	return done && buffer_print(out, e, csv ? "\n" : "]}\n");
}

static bool write_text(RowWriter *w, Text user, const uint8_t *values, const float *scales, size_t count,
                       Error *e)
{
	size_t bytes = w->of.dim * dtype_size(w->of.dtype);
	for (size_t i = 0; i < count; i++) {
		w->text.size = 0;
		embeddings_load(&w->of, values + i * bytes, scales ? scales[i] : 1, w->row);
		if (!print_row(w, user, i, e) || !output_write(&w->output, w->text.data, w->text.size, e))
			return false;
	}
	return true;
}

/* Chunks */

static bool put_chunk(RowWriter *w, Document *d, Error *e)
{
	size_t rows = w->values.size / (w->of.dim * dtype_size(w->of.dtype));
	size_t users = w->ids.count;
	bool done =
	    document_set(d, "ul.kind", "embeddings-chunk", e) &&
	    document_add_vector(d, "user.bytes", DTYPE_U8, (size_t)w->ids.offsets[users], w->ids.bytes, e) &&
	    document_add_vector(d, "user.offsets", DTYPE_I64, users + 1, w->ids.offsets, e) &&
	    document_add(d, "embeddings", w->of.dtype, 2, (size_t[]){rows, w->of.dim}, w->values.data, e);
	if (done && w->of.dtype == DTYPE_I8)
		done = document_add_vector(d, "embeddings.scale", DTYPE_F32, rows, w->scales.data, e);
	if (done && embeddings_each(&w->of) == 0)
		done = document_add_vector(d, "embeddings.offsets", DTYPE_I64, users + 1, w->row_offsets, e);
	if (done && w->of.titled)
		done = document_add_vector(d, "title.bytes", DTYPE_U8, (size_t)w->titles.offsets[users],
		                           w->titles.bytes, e) &&
		       document_add_vector(d, "title.offsets", DTYPE_I64, users + 1, w->titles.offsets, e);
	return done && (w->joiner ? joiner_add(w->joiner, d, e) : stream_write(w->stream, d, e));
}

static bool flush_chunk(RowWriter *w, Error *e)
{
	if (w->ids.count == 0)
		return true;
	Document *d = document_new(e);
	bool done = d != NULL && put_chunk(w, d, e);
	document_free(d);
	strings_free(&w->ids);
	strings_free(&w->titles);
	w->values.size = w->scales.size = 0;
	return done;
}

static bool append_user(RowWriter *w, Text user, const void *values, const float *scales, size_t count,
                        Error *e)
{
	size_t bytes = w->of.dim * dtype_size(w->of.dtype);
	if (w->values.size + w->scales.size + count * bytes > CHUNK_BYTES && !flush_chunk(w, e))
		return false;
	if (!strings_append(&w->ids, user.data, user.size, e) ||
	    (w->of.titled && !strings_append(&w->titles, w->title.data, w->title.size, e)) ||
	    !buffer_append(&w->values, values, count * bytes, e) ||
	    (w->of.dtype == DTYPE_I8 && !buffer_append(&w->scales, scales, count * sizeof *scales, e)) ||
	    !memory_grow(&w->row_offsets, &w->row_offsets_capacity, w->ids.count + 1, sizeof *w->row_offsets,
	                 e))
		return false;
	w->row_offsets[0] = 0;
	w->row_offsets[w->ids.count] = (int64_t)(w->values.size / bytes);
	return w->ids.count < 1 << 20 || flush_chunk(w, e); /* many users without rows */
}

void row_title(RowWriter *w, Text title)
{
	w->title = title;
}

bool row_write_stored(RowWriter *w, Text user, const void *values, const float *scales, size_t count,
                      Error *e)
{
	size_t each = embeddings_each(&w->of);
	if (each > 0 && count != each)
		return fail(e, ERROR_FAILURE, "%zu embeddings of '%.*s' where there must be %zu", count,
		            (int)(user.size < 100 ? user.size : 100), user.data, each);
	w->users++;
	if (w->format == FORMAT_CSV || w->format == FORMAT_JSONL)
		return write_text(w, user, values, scales, count, e);
	return append_user(w, user, values, scales, count, e);
}

bool row_write(RowWriter *w, Text user, const float *rows, size_t count, Error *e)
{
	size_t dim = w->of.dim, bytes = dim * dtype_size(w->of.dtype);
	w->stored.size = w->stored_scales.size = 0;
	for (size_t i = 0; i < count; i++, rows += dim) {
		float scale;
		if (!buffer_reserve(&w->stored, bytes, e))
			return false;
		if (!embeddings_store(&w->of, rows, w->stored.data + w->stored.size, &scale))
			return is_finite(rows, dim)
			           ? fail_row(user, ERROR_USAGE, "too large for its dtype: F32 holds it", e)
			           : fail_row(user, ERROR_MALFORMED, "not finite: the model is damaged", e);
		w->stored.size += bytes;
		if (!buffer_append(&w->stored_scales, &scale, sizeof scale, e))
			return false;
	}
	return row_write_stored(w, user, w->stored.data, (const float *)(const void *)w->stored_scales.data,
	                        count, e);
}

/* The end */

static bool write_piece(void *context, const void *data, size_t size, Error *e)
{
	return output_write(context, data, size, e);
}

static bool write_joined(RowWriter *w, Error *e)
{
	const Document *whole = joiner_finish(w->joiner, e);
	if (whole == NULL)
		return false;
	if (w->format == FORMAT_SAFETENSORS)
		return document_emit(whole, write_piece, &w->output, e);
	const DocumentTensor *t = document_find(whole, "embeddings");
	const size_t rows[] = {t ? t->shape[0] : 0, w->of.dim};
	const size_t latents[] = {w->users, w->of.latents, w->of.dim};
	bool cube = w->of.latents > 0;
	return npy_write_header(&w->output, w->of.dtype, cube ? 3 : 2, cube ? latents : rows, e) &&
	       (t == NULL || output_write(&w->output, t->data, t->bytes, e));
}

static bool finish(RowWriter *w, Error *e)
{
	if (w->users != w->of.users)
		return fail(e, ERROR_FAILURE, "embeddings of %zu users where %zu were announced", w->users,
		            w->of.users);
	if (!flush_chunk(w, e))
		return false;
	if (w->stream != NULL) {
		StreamWriter *stream = w->stream;
		w->stream = NULL;
		return stream_writer_close(stream, e);
	}
	return (w->joiner == NULL || write_joined(w, e)) && output_close(&w->output, e);
}

bool row_writer_close(RowWriter *w, Error *e)
{
	bool done = finish(w, e);
	row_writer_abort(w);
	return done;
}
