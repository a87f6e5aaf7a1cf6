/* The element types of safetensors. */
#ifndef STREAM_DTYPE_H
#define STREAM_DTYPE_H

#include "base/half.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
	DTYPE_BOOL,
	DTYPE_U8,
	DTYPE_I8,
	DTYPE_I16,
	DTYPE_U16,
	DTYPE_F16,
	DTYPE_BF16,
	DTYPE_I32,
	DTYPE_U32,
	DTYPE_F32,
	DTYPE_I64,
	DTYPE_U64,
	DTYPE_F64,
	DTYPE_COUNT
} Dtype;

size_t dtype_size(Dtype dtype);      /* bytes an element */
const char *dtype_name(Dtype dtype); /* "F32" … as safetensors spells it */
bool dtype_parse(const char *name, Dtype *dtype);

#endif
