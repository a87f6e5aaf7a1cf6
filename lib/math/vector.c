#include "base/cpu.h"
#include "math/vector_paths.h"

#if defined __x86_64__
#define VECTOR_CHOOSE(type, name, parameters, arguments)                                                     \
	type name parameters                                                                                 \
	{                                                                                                    \
		CpuPath path = cpu_path();                                                                   \
		if (path >= CPU_AVX512)                                                                      \
			return name##_avx512 arguments;                                                      \
		if (path == CPU_AVX2)                                                                        \
			return name##_avx2 arguments;                                                        \
		return name##_generic arguments;                                                             \
	}
#else
#define VECTOR_CHOOSE(type, name, parameters, arguments)                                                     \
	type name parameters                                                                                 \
	{                                                                                                    \
		return name##_generic arguments;                                                             \
	}
#endif

VECTOR_FUNCTIONS(VECTOR_CHOOSE)
