#include "stream/tensor_file.h"

#include "stream/npy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool print_real(Buffer *out, double x, int digits, Error *e)
{
	return buffer_print(out, e, "%.*g", digits, x);
}

static bool print_element(Buffer *out, const DocumentTensor *t, size_t i, Error *e)
{
	enum { SINGLE = 9, DOUBLE = 17 }; /* digits that bring the same number back */
	switch (t->dtype) {
	case DTYPE_BOOL:
	case DTYPE_U8:
		return buffer_print(out, e, "%d", ((const uint8_t *)t->data)[i]);
	case DTYPE_I8:
		return buffer_print(out, e, "%d", ((const int8_t *)t->data)[i]);
	case DTYPE_I16:
		return buffer_print(out, e, "%d", ((const int16_t *)t->data)[i]);
	case DTYPE_U16:
		return buffer_print(out, e, "%d", ((const uint16_t *)t->data)[i]);
	case DTYPE_I32:
		return buffer_print(out, e, "%" PRId32, ((const int32_t *)t->data)[i]);
	case DTYPE_U32:
		return buffer_print(out, e, "%" PRIu32, ((const uint32_t *)t->data)[i]);
	case DTYPE_I64:
		return buffer_print(out, e, "%" PRId64, ((const int64_t *)t->data)[i]);
	case DTYPE_U64:
		return buffer_print(out, e, "%" PRIu64, ((const uint64_t *)t->data)[i]);
	case DTYPE_F16:
		return print_real(out, (double)f32_from_f16(((const uint16_t *)t->data)[i]), SINGLE, e);
	case DTYPE_BF16:
		return print_real(out, (double)f32_from_bf16(((const uint16_t *)t->data)[i]), SINGLE, e);
	case DTYPE_F32:
		return print_real(out, (double)((const float *)t->data)[i], SINGLE, e);
	default:
		return print_real(out, ((const double *)t->data)[i], DOUBLE, e);
	}
}

/* JSON has no nan and no inf; no other number is printed with an n. */
static bool check_number(const Buffer *line, size_t start, const DocumentTensor *t, size_t i, Error *e)
{
	return memchr(line->data + start, 'n', line->size - start) == NULL ||
	       fail(e, ERROR_USAGE,
	            "element %zu of tensor '%.100s' is not finite, which JSON cannot say: use csv", i,
	            t->name);
}

static bool write_lines(Output *o, const DocumentTensor *t, bool json, Error *e)
{
	size_t columns = t->rank == 2 ? t->shape[1] : 1, rows = t->rank == 0 ? 1 : t->shape[0];
	bool brackets = json && t->rank == 2, done = true;
	Buffer line = {0};
	for (size_t r = 0; r < rows && done; r++) {
		line.size = 0;
		done = !brackets || buffer_print(&line, e, "[");
		for (size_t c = 0; c < columns && done; c++) {
			size_t start = line.size;
			done = (c == 0 || buffer_print(&line, e, json ? ", " : ",")) &&
			       print_element(&line, t, r * columns + c, e) &&
			       (!json || check_number(&line, start, t, r * columns + c, e));
		}
		done = done && buffer_print(&line, e, brackets ? "]\n" : "\n") &&
		       output_write(o, line.data, line.size, e);
	}
	buffer_free(&line);
	return done;
}

bool tensor_write(Output *o, const DocumentTensor *t, const char *format, Error *e)
{
	if (strcmp(format, "npy") == 0)
		return npy_write_header(o, t->dtype, t->rank, t->shape, e) &&
		       output_write(o, t->data, t->bytes, e);
	if (t->rank > 2)
		return fail(e, ERROR_USAGE, "tensor '%.100s' has %zu dimensions; %s has two: use npy",
		            t->name, t->rank, format);
	return write_lines(o, t, strcmp(format, "jsonl") == 0, e);
}
