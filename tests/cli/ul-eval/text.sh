ul-eval "$CASES/ul-eval/good.jsonl" --name good
