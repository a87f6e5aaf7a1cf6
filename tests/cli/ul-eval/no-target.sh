# Lines that nobody can judge are counted and said; alone they are nothing to score.
{ cat "$CASES/ul-eval/good.jsonl"; echo '{"user": "9", "task": "next-item", "items": ["1"]}'; } >some.jsonl
ul-eval --format tsv --k 1 some.jsonl | cut -f 3 | tail -n 1
tail -n 1 some.jsonl | ul-eval
