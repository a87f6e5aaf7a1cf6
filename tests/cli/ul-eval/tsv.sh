ul-eval --format tsv --name good --name worse "$CASES"/ul-eval/{good,worse}.jsonl
