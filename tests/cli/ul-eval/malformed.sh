{ cat "$CASES/ul-eval/good.jsonl"; echo '{"user": "5", "task": "next-item", "target": "7"'; } >bad.jsonl
ul-eval -o table bad.jsonl || status=$?
[[ ! -e table ]]
exit "$status"
