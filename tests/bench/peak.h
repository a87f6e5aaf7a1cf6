/* GFLOP/s of one thread that does nothing but multiply and add, in the widest registers (or
 * tiles) of the CPU path in use. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <stdbool.h>

double peak_gflops(bool bf16);

#endif
