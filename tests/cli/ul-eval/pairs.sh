head -n 3 "$CASES/ul-eval/worse.jsonl" >baseline.jsonl
cp "$CASES/ul-eval/good.jsonl" .
ul-eval --baseline baseline.jsonl good.jsonl
