/* Included by each kind of kernels behind its rows_integers(): a function for each type, and the choice
 * between them.  The numbers of rows and panels are constants in it, but with STORED_ANY_ROWS; stored.c asks
 * for no more than there are cases.  With STORED_FLOATS there are kernels for floats, too, from
 * rows_floats(). */

#if defined STORED_PLAIN
#define CASES(body) body(p->m, p->panels)
#else
#define EITHER(count, body)                                                                                  \
	case 2 * count:                                                                                      \
		body(count, 1);                                                                              \
		break;                                                                                       \
	case 2 * count + 1:                                                                                  \
		body(count, 2);                                                                              \
		break;
#define CASES(body)                                                                                          \
	switch (2 * p->m + (p->panels > 1)) {                                                                \
		EITHER(1, body)                                                                              \
		EITHER(2, body)                                                                              \
		EITHER(3, body)                                                                              \
		EITHER(4, body)                                                                              \
		EITHER(5, body)                                                                              \
		EITHER(6, body)                                                                              \
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

#if defined STORED_PLAIN
#define FLOATS(m, panels) rows_floats(p, kind, m, panels)
#define FLOAT_KERNEL(number, name, ...)                                                                      \
	static void kernel_##name(const StoredPart *p)                                                       \
	{                                                                                                    \
		const FloatKind kind = FLOAT_##name;                                                         \
		CASES(FLOATS);                                                                               \
	}
#define FLOAT_TYPES(X) X(QUANT_F32, F32, ) X(QUANT_F16, F16, ) X(QUANT_BF16, BF16, )
FLOAT_TYPES(FLOAT_KERNEL)
#else
#define FLOAT_TYPES(X)
#endif

#define CHOOSE(number, name, ...)                                                                            \
	case number:                                                                                         \
		return kernel_##name;
static StoredKernel *kernel_of(uint32_t type)
{
	switch (type) {
		QUANT_INTEGERS(CHOOSE)
		FLOAT_TYPES(CHOOSE)
	default:
		return NULL;
	}
}
