#include "stream/npy.h"

#include "base/memory.h"

static const char *const npy_types[DTYPE_COUNT] = {
    [DTYPE_BOOL] = "|b1", [DTYPE_U8] = "|u1",  [DTYPE_I8] = "|i1",  [DTYPE_I16] = "<i2",
    [DTYPE_U16] = "<u2",  [DTYPE_F16] = "<f2", [DTYPE_I32] = "<i4", [DTYPE_U32] = "<u4",
    [DTYPE_F32] = "<f4",  [DTYPE_I64] = "<i8", [DTYPE_U64] = "<u8", [DTYPE_F64] = "<f8",
};

static bool print_header(Buffer *text, Dtype dtype, size_t rank, const size_t *shape, Error *e)
{
	enum { PREFIX = 10, UNIT = 64 }; /* the data begins at a multiple of UNIT */
	if (!buffer_append(text, "\x93NUMPY\x01\x00\x00\x00", PREFIX, e) ||
	    !buffer_print(text, e, "{'descr': '%s', 'fortran_order': False, 'shape': (", npy_types[dtype]))
		return false;
	for (size_t i = 0; i < rank; i++)
		if (!buffer_print(text, e, i ? ", %zu" : "%zu", shape[i]))
			return false;
	if (!buffer_print(text, e, rank == 1 ? ",), }" : "), }"))
		return false;
	size_t blanks = UNIT - 1 - text->size % UNIT;
	if (!buffer_print(text, e, "%*s\n", (int)blanks, ""))
		return false;
	text->data[8] = (uint8_t)((text->size - PREFIX) & 0xff);
	text->data[9] = (uint8_t)((text->size - PREFIX) >> 8);
	return true;
}

bool npy_write_header(Output *o, Dtype dtype, size_t rank, const size_t *shape, Error *e)
{
	Buffer text = {0};
	if (npy_types[dtype] == NULL)
		return fail(e, ERROR_USAGE, ".npy has no type for %s: choose another dtype or format",
		            dtype_name(dtype));
	bool done = print_header(&text, dtype, rank, shape, e) && output_write(o, text.data, text.size, e);
	buffer_free(&text);
	return done;
}
