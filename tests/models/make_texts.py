#!/usr/bin/env python3
"""Token ids of texts.txt's lines by llama.cpp, for tests/models/check_tokenizers.c:

    tests/models/make_texts.py LLAMA_TOKENIZE MODELS

writes tests/models/tokenize/VOCABULARY.json for the vocabularies in MODELS/vocab-gguf (those that are there were
made with llama.cpp v0.5.0).  Lines of texts.txt are JSON strings."""

import json
import os
import subprocess
import sys
import tempfile

VOCABULARIES = ["gpt-2", "gpt-neox", "llama-bpe", "llama-spm", "qwen2"]
here = os.path.dirname(os.path.abspath(__file__))


def ids_of(program, vocabulary, text):
    with tempfile.NamedTemporaryFile("w", newline="", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        said = subprocess.run([program, "-m", vocabulary, "-f", file.name, "--ids", "--no-bos", "--no-parse-special",
                               "--log-disable"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(said.stdout)


def main():
    program, models = sys.argv[1:]
    with open(f"{here}/texts.txt", encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    os.makedirs(f"{here}/tokenize", exist_ok=True)
    for vocabulary in VOCABULARIES:
        path = f"{models}/vocab-gguf/ggml-vocab-{vocabulary}.gguf"
        cases = [{"text": text, "ids": ids_of(program, path, text)} for text in texts]
        with open(f"{here}/tokenize/{vocabulary}.json", "w", encoding="utf-8") as file:
            lines = ",\n".join(json.dumps(case) for case in cases)
            file.write('{"file": "%s", "cases": [\n%s\n]}\n' % (os.path.basename(path), lines))


main()
