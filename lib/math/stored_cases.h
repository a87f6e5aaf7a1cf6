/* Included by each kind of kernels behind its rows_integers() and rows_floats(): a function for each type,
 * with the numbers of rows and panels constants in it (but with STORED_ANY_ROWS), and the choice between
 * them.  stored.c asks for no more than there are cases. */

#if defined STORED_ANY_ROWS
#define CASES(body)  body(p->m, p->panels)
#define HALVES_CASES CASES
#else
#define ONE(count, body)                                                                                     \
	case 2 * count:                                                                                      \
		body(count, 1);                                                                              \
		break;
#define EITHER(count, body)                                                                                  \
	ONE(count, body)                                                                                     \
	case 2 * count + 1:                                                                                  \
		body(count, 2);                                                                              \
		break;
#define UP_TO_SIX(body)                                                                                      \
	EITHER(1, body)                                                                                      \
	EITHER(2, body)                                                                                      \
	EITHER(3, body)                                                                                      \
	EITHER(4, body)                                                                                      \
	EITHER(5, body)                                                                                      \
	EITHER(6, body)
#define CASES(body)                                                                                          \
	switch (2 * p->m + (p->panels > 1)) {                                                                \
		UP_TO_SIX(body)                                                                              \
	}
#define HALVES_CASES(body)                                                                                   \
	switch (2 * p->m + (p->panels > 1)) {                                                                \
		UP_TO_SIX(body)                                                                              \
		ONE(7, body)                                                                                 \
		ONE(8, body)                                                                                 \
	}
#endif

#define SHAPE(elements, group, bits, zero, minima, codes)                                                    \
	(StoredShape)                                                                                        \
	{                                                                                                    \
		elements, group, bits, zero, minima, codes                                                   \
	}
#define KERNEL(number, name, elements, bytes, group, bits, zero, minima, codes, unpack)                      \
	static void kernel_##name(const StoredPart *p)                                                       \
	{                                                                                                    \
		const StoredShape s = SHAPE(elements, group, bits, zero, minima, codes);                     \
		CASES(INTEGERS);                                                                             \
	}
#define INTEGERS(m, panels) rows_integers(p, s, m, panels)
QUANT_INTEGERS(KERNEL)

#define FLOATS(m, panels) rows_floats(p, kind, m, panels)
#define FLOAT_KERNEL(name, cases)                                                                            \
	static void kernel_##name(const StoredPart *p)                                                       \
	{                                                                                                    \
		const FloatKind kind = FLOAT_##name;                                                         \
		cases(FLOATS);                                                                               \
	}
FLOAT_KERNEL(F32, CASES)
FLOAT_KERNEL(F16, HALVES_CASES)
FLOAT_KERNEL(BF16, HALVES_CASES)

#define CHOOSE(number, name, ...)                                                                            \
	case number:                                                                                         \
		return kernel_##name;
static StoredKernel *kernel_of(uint32_t type)
{
	switch (type) {
		QUANT_INTEGERS(CHOOSE)
		CHOOSE(0, F32, )
		CHOOSE(1, F16, )
		CHOOSE(30, BF16, )
	default:
		return NULL;
	}
}
