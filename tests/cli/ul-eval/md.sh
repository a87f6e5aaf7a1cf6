cp "$CASES"/ul-eval/*.jsonl .
ul-eval -f md -b worse.jsonl good.jsonl
