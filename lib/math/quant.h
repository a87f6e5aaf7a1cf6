/* The element types of GGUF tensors: one table, to which a type is added as a
 * line and a function. */
#ifndef MATH_QUANT_H
#define MATH_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUANT_F32 = 0, QUANT_F16 = 1, QUANT_BF16 = 30 }; /* their numbers */
enum { QUANT_ELEMENTS = 256, QUANT_GROUP = 16, QUANT_GROUPS = QUANT_ELEMENTS / QUANT_GROUP };

/* A block unpacked.  Element i, of group g, is
 *
 *     (d · scale[g]) · (q[i] - zero) - least · minimum[g]
 *
 * with the type's zero, or its code of q[i] in the place of q[i] - zero. */
typedef struct {
	uint8_t q[QUANT_ELEMENTS];
	uint16_t d, least; /* F16 */
	int8_t scale[QUANT_GROUPS], minimum[QUANT_GROUPS];
} QuantBlock;

/* Elements come in blocks of `elements` that take `bytes` bytes. */
typedef struct {
	uint32_t number; /* in the file */
	const char *name;
	size_t elements, bytes; /* 0: a type that is known by name only */
	/* Of types whose blocks are integers with scales; unpack NULL: floating point numbers */
	size_t group;  /* elements that share a scale */
	unsigned bits; /* of q */
	uint8_t zero;
	bool minima; /* else minimum is 0 */
	const int8_t *codes;
	void (*unpack)(const uint8_t *in, QuantBlock *out); /* leaves alone what is 0 for the type */
} QuantType;

/* The types of integers: X(number, name, elements, bytes, group, bits, zero, minima, codes, unpack). */
#define QUANT_INTEGERS(X)                                                                                    \
	X(2, Q4_0, 32, 18, 32, 4, 8, false, NULL, unpack_q4_0)                                               \
	X(3, Q4_1, 32, 20, 32, 4, 0, true, NULL, unpack_q4_1)                                                \
	X(6, Q5_0, 32, 22, 32, 5, 16, false, NULL, unpack_q5_0)                                              \
	X(7, Q5_1, 32, 24, 32, 5, 0, true, NULL, unpack_q5_1)                                                \
	X(8, Q8_0, 32, 34, 32, 8, 128, false, NULL, unpack_q8_0)                                             \
	X(10, Q2_K, 256, 84, 16, 2, 0, true, NULL, unpack_q2_k)                                              \
	X(11, Q3_K, 256, 110, 16, 3, 4, false, NULL, unpack_q3_k)                                            \
	X(12, Q4_K, 256, 144, 32, 4, 0, true, NULL, unpack_q4_k)                                             \
	X(13, Q5_K, 256, 176, 32, 5, 0, true, NULL, unpack_q5_k)                                             \
	X(14, Q6_K, 256, 210, 16, 6, 32, false, NULL, unpack_q6_k)                                           \
	X(20, IQ4_NL, 32, 18, 32, 4, 128, false, quant_iq4_codes, unpack_q4_0)

extern const int8_t quant_iq4_codes[16];

const QuantType *quant_type(uint32_t number); /* NULL: no such type is known */
const char *quant_supported(void);            /* the names that can be expanded, for messages */

/* blocks × elements values as F32. */
void quant_expand(const QuantType *type, const uint8_t *in, size_t blocks, float *out);

#endif
