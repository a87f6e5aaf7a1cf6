/* The element types of GGUF tensors: one table, to which a type is added as a
 * line and a function. */
#ifndef LLM_QUANT_H
#define LLM_QUANT_H

#include <stddef.h>
#include <stdint.h>

/* Elements come in blocks of `elements` that take `bytes` bytes. */
typedef struct {
	uint32_t number; /* in the file */
	const char *name;
	size_t elements, bytes;
	/* blocks × elements values as F32; NULL: a type that is known by name only */
	void (*expand)(const uint8_t *in, size_t blocks, float *out);
} QuantType;

const QuantType *quant_type(uint32_t number); /* NULL: no such type is known */
const char *quant_supported(void);            /* the names that can be expanded, for messages */

#endif
