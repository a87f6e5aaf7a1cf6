# What texts are worth to an LLM, whatever stands beside them and however many threads there are.
small data.ult encoder.ult lm.gguf
perplexity() {
	ul-gen -q --llm lm.gguf --perplexity "$@"
}
for i in $(seq 1 60); do
	echo "Next choice: The Paper, and $i more"
	((i % 7)) || seq -s ' ' 1 $((20 * i))
done >texts
[[ $(wc -l <texts) == 68 ]]
perplexity texts >whole
[[ $(wc -l <whole) == 68 ]]
[[ $(grep -cx '{"task": "text", "nll": [0-9.]*, "tokens": [0-9]*}' whole) == 68 ]]
for threads in 1 2 3 8; do
	perplexity -T $threads -o again texts
	cmp whole again
done
perplexity <texts | cmp whole -
perplexity - <texts | cmp whole -
{
	tail -n 11 texts
	printf '\n\r\n'
	head -n 4 texts
} >others
perplexity others texts >both
cmp both <(tail -n 11 whole && head -n 4 whole && cat whole)
jq -R . texts >texts.jsonl
perplexity texts.jsonl | cmp whole -
jq -s . texts.jsonl >texts.json
perplexity texts.json | cmp whole -
: >empty
[[ $(perplexity empty | wc -l) == 0 ]]
# A token is worth what the logits say: of one token behind BOS, whose number is the last.
echo T >one
read -r _ _ _ nll _ < <(perplexity one)
echo '[399]' >bos.json
ul-gen --llm lm.gguf --ids bos.json --logits -o logits.npy
id=$(ul-gen --llm lm.gguf --tokenize one | tr -d '[]')
tail -c 1600 logits.npy | od -An -v -tf4 -w4 | awk -v id="$id" -v nll="${nll%,}" \
	'{ sum += exp($1) } NR == id + 1 { logit = $1 }
	END { apart = log(sum) - logit - nll; exit !(NR == 400 && apart < 1e-4 && apart > -1e-4) }'
# Long texts are cut, which is told.
ul-gen --llm lm.gguf --perplexity texts 2>err >/dev/null
grep -qx 'ul-gen: [1-8] of the texts were cut into pieces of 256 tokens, the LLM.s context' err
ul-gen --llm lm.gguf --perplexity one 2>err >/dev/null
[[ ! -s err ]]
# An adapter that leaves the LLM alone leaves these numbers alone, to the bit; others are those of the LLM as tuned.
for what in proj enc lora full; do
	tune --tune $what --llm lm.gguf -m encoder.ult -o $what.ult data.ult
	perplexity -m encoder.ult -a $what.ult texts >$what
done
cmp whole proj
cmp whole enc
expect 1 cmp -s whole lora
expect 1 cmp -s whole full
expect 1 cmp -s lora full
tune --tune enc --inject soft --llm lm.gguf -m encoder.ult -o soft.ult data.ult
perplexity -m encoder.ult -a soft.ult texts | cmp whole -
ul-finetune -q --llm lm.gguf --inject none --tune full --batch 32 --steps 3 -o none.ult data.ult
perplexity -a none.ult texts >tuned
expect 1 cmp -s whole tuned
ul-cat --to gguf --llm lm.gguf -o tuned.gguf none.ult
ul-gen -q --llm tuned.gguf --perplexity texts | cmp tuned -
# What is wrong.
words='-m ENCODER is missing' usage ul-gen --llm lm.gguf -a enc.ult --perplexity texts
words='-a ADAPTER' usage ul-gen --llm lm.gguf -m encoder.ult --perplexity texts
words='--llm LLM is missing' usage ul-gen -m encoder.ult --perplexity texts
words='only one of .* at a time' usage ul-gen --llm lm.gguf --perplexity --rank 3 texts
words='--split goes with users' usage ul-gen --llm lm.gguf -a none.ult --perplexity --split val texts
words='would be lost' usage ul-gen --llm lm.gguf --perplexity -o texts texts
printf '"good",\n"bad"\n' >bad.json
expect 3 perplexity -o out texts bad.json 2>err
grep -q '^ul-gen: bad.json: line 1: no JSON' err
expect 1 perplexity -o out missing 2>err
[[ ! -e out && $(wc -l <err) == 1 ]]
# Weights in F32 rounded to bf16, where the CPU has it: other numbers, by little.
words='precision bf16: the CPU path in use, generic, has no bf16' UL_CPU=generic \
	usage ul-gen --llm lm.gguf --perplexity --precision bf16 texts
if perplexity --precision bf16 texts >rounded 2>err; then
	[[ $(cat rounded) != "$(cat whole)" ]]
	paste rounded whole | awk -F '[:,}]' '{ d = $4 - $10; if (d < 0) d = -d; if (d > 0.01 * $10) exit 1 }'
	perplexity --precision bf16 -T 1 texts | cmp rounded -
else
	grep -q 'has no bf16' err
fi
