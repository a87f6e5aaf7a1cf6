ul-eval -f json -n good -b "$CASES/ul-eval/worse.jsonl" - <"$CASES/ul-eval/good.jsonl" |
	sed 's|"[^"]*/worse|"worse|'
