# Answers in words: the three sentences of Lin's paper (2004, section 3.1), worked by hand in tests/unit/test_rouge.c.
cp "$CASES"/ul-eval/*texts.jsonl .
grep review texts.jsonl >reviews.jsonl
for format in text md tsv json; do
	ul-eval -q -f $format -b worse-texts.jsonl reviews.jsonl
done

# A table of all kinds of line: each row has what is of its kind, and nothing else.
ul-eval -q -k 1 texts.jsonl
ul-eval -q -k 1 -f md texts.jsonl
ul-eval -q -k 1 -f json texts.jsonl | tr ' ' '\n' | grep -c '"interval"\|"hr@1"\|"rouge1"\|"perplexity"'
ul-eval -q -k 1 -f tsv texts.jsonl | cut -f 2-6,10

# Said is what the perplexity is not of.
ul-eval texts.jsonl 2>err >out
[[ $(cat err) == "ul-eval: texts.jsonl: task 'review': 1 of 3 texts have no nll: the perplexity is without them" ]]
grep -v nll reviews.jsonl | ul-eval -f tsv >out 2>err
[[ ! -s err ]]
expect 1 grep -q 'perplexity\|hr@' out
# A text of no tokens has a nll, too; and large numbers are told with as many decimals in JSON as elsewhere.
line() {
	printf '{"user": "%s", "task": "r", "target": "a", "text": "a", "nll": %s, "tokens": %s}\n' "$@"
}
{ line 1 0 0; line 2 9.5 1; } | ul-eval -f tsv 2>err >out
[[ ! -s err && $(tail -n 1 out) == *13359.726830* ]]
line 2 9.5 1 | ul-eval -f json | grep -q '"perplexity": 13359.72683,'
