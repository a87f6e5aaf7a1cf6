# The same for any number of threads, and in any order of the lines; not for another seed.
tac "$CASES/ul-eval/good.jsonl" >good.jsonl
tac "$CASES/ul-eval/worse.jsonl" >worse.jsonl
backwards=$(ul-eval -b worse.jsonl good.jsonl)
cd "$CASES/ul-eval"
one=$(ul-eval -T 1 -b worse.jsonl good.jsonl)
[[ $one == "$backwards" ]]
[[ $one == "$(ul-eval -T 2 -b worse.jsonl good.jsonl)" ]]
[[ $one == "$(ul-eval --seed 1 -b worse.jsonl good.jsonl)" ]]
[[ $(ul-eval -f tsv good.jsonl) != "$(ul-eval -f tsv --seed 2 good.jsonl)" ]] ||
	[[ $one != "$(ul-eval --seed 2 -b worse.jsonl good.jsonl)" ]]
