# What an answer costs: the same for any number of threads; of the history's length it is the prompt that grows
# where it is told as text, and the encoder's work where the LLM attends to it.
small data.ult lm.gguf
limit=6
# cost FILE FILTER: a number of a profile
cost() {
	jq -e "$2" "$1"
}
# answers NAME [OPTION]...: a profile NAME of some users' rankings
answers() {
	local name=$1
	shift
	ul-gen -q -T1 --llm lm.gguf --rank 2 --limit $limit --profile "$name" "$@" data.ult >said
}
for length in 3 9; do
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --max-len $length --steps 0 -o "encoder$length.ult" data.ult
	ul-finetune -q --llm lm.gguf -m "encoder$length.ult" --latents 2 --steps 0 -o "cross$length.ult" data.ult
	answers "cross$length" -m "encoder$length.ult" -a "cross$length.ult"
	ul-finetune -q --llm lm.gguf --inject text --history $length --tune lora --steps 0 -o "text$length.ult" data.ult
	answers "text$length" -a "text$length.ult"
done
cmp <(jq .phases.prompt.tokens cross3) <(jq .phases.prompt.tokens cross9)
cmp <(jq .phases.prompt.flops cross3) <(jq .phases.prompt.flops cross9)
[[ $(cost cross3 .phases.encoder.tokens) == $((3 * limit)) && $(cost cross9 .phases.encoder.tokens) == $((9 * limit)) ]]
[[ $(cost cross9 .phases.adapter.tokens) == $((2 * limit)) ]]
[[ $(cost text3 .phases.prompt.tokens) -gt $(cost cross3 .phases.prompt.tokens) ]]
[[ $(cost text9 .phases.prompt.tokens) -gt $((2 * $(cost text3 .phases.prompt.tokens))) ]]
[[ $(cost text9 .phases.prompt.flops) -gt $((2 * $(cost text3 .phases.prompt.flops))) ]]
[[ $(cost text9 .phases.encoder.flops) == 0 && $(cost text9 .phases.adapter.flops) == 0 ]]
# All that is there; and no phase takes longer than the run.
jq -e '.tool == "ul-gen" and .peak_bytes > 1e6 and .seconds > 0 and
	.seconds >= ([.phases[].seconds] | add) and .phases.answer.kv_bytes > .phases.prompt.kv_bytes and
	(.phases | keys_unsorted == ["encoder", "adapter", "prompt", "answer", "rank", "evaluation"]) and
	all(.phases[]; keys_unsorted == ["tokens", "flops", "kv_bytes", "seconds"])' cross9 >said
# Every way to answer, with one thread and with two: the same answers, too.
user='--llm lm.gguf -m encoder9.ult -a cross9.ult'
for way in '-m encoder9.ult --rank 3' "$user --rank 3 --limit 17" "$user --limit 5 --prompt Next --n-predict 4" \
	'--llm lm.gguf --rank 2 --rank-exact --limit 2' '--baseline most-popular --rank 1' \
	"$user --limit 3 --n-predict 4"; do
	for threads in 1 2; do
		# shellcheck disable=SC2086
		ul-gen -q -T$threads --profile full $way data.ult >"said$threads"
		jq 'del(.seconds, .peak_bytes, .phases[].seconds)' full >"cost$threads"
	done
	cmp said1 said2
	cmp cost1 cost2
	# shellcheck disable=SC2086
	ul-gen -q $way data.ult | cmp said1 -
done
# Whichever lane they were in, all users count.
ul-gen -q -m encoder9.ult --rank 1 --limit 20 --profile all data.ult >said
jq -e '.phases | .rank.tokens == 20 and .encoder.tokens == 180 and .rank.flops % 20 == 0' all >said
# What true answers are worth is a pass of its own.
jq -e '.phases | .evaluation.flops > 0 and .evaluation.tokens > .prompt.tokens and .encoder.tokens == 27' full >said
# Written whole or not at all, and in nobody's place.
rm full
ul-gen -q --llm lm.gguf --prompt Next --profile full --n-predict 2 >said
[[ $(cost full .phases.answer.tokens) == 1 ]]
cp full before
expect 3 ul-gen -q --llm data.ult --prompt Next --profile full 2>err
cmp full before
words="not '-'" usage ul-gen --llm lm.gguf --prompt Next --profile -
words='cannot be both' usage ul-gen --llm lm.gguf --prompt Next --profile out.txt -o out.txt
words='lm.gguf' usage ul-gen --llm lm.gguf --prompt Next --profile lm.gguf
words='goes with answers' usage ul-gen --llm lm.gguf --tokenize --profile full before
