# The same for any number of threads; not for another seed.
cd "$CASES/ul-eval"
one=$(ul-eval -T 1 -b worse.jsonl good.jsonl)
[[ $one == "$(ul-eval -T 2 -b worse.jsonl good.jsonl)" ]]
[[ $one == "$(ul-eval --seed 1 -b worse.jsonl good.jsonl)" ]]
[[ $(ul-eval -f tsv good.jsonl) != "$(ul-eval -f tsv --seed 2 good.jsonl)" ]] ||
	[[ $one != "$(ul-eval --seed 2 -b worse.jsonl good.jsonl)" ]]
