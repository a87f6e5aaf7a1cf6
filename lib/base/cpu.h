/* What the processor can do, found out once.  Each path is a set of instructions, and
 * includes those before it. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include "base/error.h"

typedef enum {
	CPU_GENERIC, /* the compiler's default */
	CPU_AVX2,    /* with FMA: x86-64-v3 */
	CPU_AVX512,  /* F, BW, VL, DQ: x86-64-v4; perhaps BF16, see cpu_has_bf16() */
	CPU_AMX,     /* with BF16 and tiles, which the kernel must have granted */
} CpuPath;

/* The path in use: the best of this machine, or where the environment has
 * UL_CPU=amx|avx512|avx2|generic, that one (cpu_check() tells when it cannot be). */
CpuPath cpu_path(void);
const char *cpu_path_name(CpuPath path); /* "amx" … */

/* How many CPUs this process may run on, at least 1. */
size_t cpu_count(void);

/* Whether the path in use multiplies bf16 numbers. */
bool cpu_has_bf16(void);

/* ERROR_USAGE where UL_CPU asks for what is unknown, or not there. */
bool cpu_check(Error *e);

#endif
