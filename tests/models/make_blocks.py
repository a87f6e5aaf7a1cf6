#!/usr/bin/env python3
"""Blocks of random bytes of each type of numbers, and what llama.cpp's gguf-py makes of them, for
tests/unit/test_stored.c:

    PYTHONPATH=LLAMA_CPP/gguf-py tests/models/make_blocks.py > tests/models/blocks.txt

A line a block: the type's number, its bytes, and its numbers as F32, little-endian, in hexadecimal.  Those that
are there were made with llama.cpp v0.5.0."""

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import GGML_QUANT_SIZES, dequantize

# Where F16 scales lie in a block: random ones could be no numbers.
SCALES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
          Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0]}


def main():
    random = np.random.default_rng(3)
    for kind, places in SCALES.items():
        elements, size = GGML_QUANT_SIZES[kind]
        for _ in range(1 if elements == 256 else 2):
            block = random.integers(0, 256, size, dtype=np.uint8)
            for place in places:
                block[place:place + 2] = np.frombuffer(np.float16(random.normal() * 0.01).tobytes(), np.uint8)
            values = dequantize(block, kind).astype("<f4")
            print(int(kind), block.tobytes().hex(), values.tobytes().hex())


main()
