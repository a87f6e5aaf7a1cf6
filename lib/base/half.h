/* Floating point numbers of 16 bits. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>

/* Round to nearest, ties to even; NaN stays NaN. */
uint16_t f16_from_f32(float x);
float f32_from_f16(uint16_t x);
uint16_t bf16_from_f32(float x);
float f32_from_bf16(uint16_t x);

#endif
