# Text: greedy is the same for any seed, sampling for the same one; one likeliest token is greedy.
small data.ult lm.gguf encoder.ult adapter.ult
say() {
	ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 20 --format text "$@"
}
say >greedy
grep -q '^Next choice:' greedy
say --seed 2 | cmp greedy -
say --temperature 1 --top-k 1 | cmp greedy -
say --temperature 1 --top-p 0 | cmp greedy -
say --temperature 2 >one
say --temperature 2 | cmp one -
say --temperature 2 --seed 2 >two
expect 1 cmp -s one two
[[ $(say --n-predict 1 | wc -c) -lt $(wc -c <greedy) ]]
# Why a text ends: it may have no more tokens, it says a stop text, or the context is full, which is told.  (Drawn
# almost evenly; with this seed the end token does not come before the context is full.)
reason() {
	ul-gen --llm lm.gguf --prompt 'Next choice:' --temperature 50 "$@" 2>err | jq -r .finish_reason
}
[[ $(reason --n-predict 1) == length ]]
[[ $(reason --n-predict 100 --stop e) == stop ]]
[[ ! -s err ]]
[[ $(reason --n-predict 100000) == context ]]
grep -qx "ul-gen: 1 of the texts was cut off at [0-9]* tokens, the LLM's context" err
reason --n-predict 100000 -q >/dev/null
[[ ! -s err ]]
said=$(say --beams 2)
[[ $(say --beams 2 --stop "${said: -1}" --format jsonl | jq -r .finish_reason) == stop ]]
# With a user, JSON lines, and always UTF-8, whatever bytes the model thinks of.
ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 20 --temperature 50 -m encoder.ult -a adapter.ult --limit 5 data.ult >texts
[[ $(wc -l <texts) == 5 ]]
# Control tokens may be spelled, with a user as without.
for users in '' '-m encoder.ult -a adapter.ult --limit 1'; do
	# shellcheck disable=SC2086
	ul-gen -q --llm lm.gguf --prompt '<|endoftext|><|endoftext|>' --n-predict 1 --profile cost $users ${users:+data.ult} >out
	jq .phases.prompt.tokens cost
done | sort -u >counts
[[ $(cat counts) == 3 ]]
iconv -f UTF-8 -t UTF-8 texts | cmp texts -
grep -c '^{"user": "[0-9]*", .*"text": ".*", "finish_reason": "\(length\|stop\)"}$' texts | grep -qx 5
# Nothing to begin with: the first token is the model's own.
say --prompt '' >out
