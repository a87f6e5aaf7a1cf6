# What training costs, in every way: the same for any number of threads, and it changes nothing.
small data.ult encoder.ult lm.gguf
for way in '-m encoder.ult' '-m encoder.ult --inject soft --tune proj --latents 2' '--inject text --history 3 --tune lora' \
	'--inject none --tune full'; do
	for threads in 1 2; do
		# shellcheck disable=SC2086
		tuned=$(ul-finetune -q -T$threads --llm lm.gguf --batch 16 --steps 3 $way --profile full data.ult | md5sum)
		jq 'del(.seconds, .peak_bytes, .phases[].seconds)' full >"cost$threads"
	done
	cmp cost1 cost2
	# shellcheck disable=SC2086
	[[ $tuned == $(ul-finetune -q --llm lm.gguf --batch 16 --steps 3 $way data.ult | md5sum) ]]
	jq -e '.seconds >= ([.phases[].seconds] | add) and .peak_bytes > 1e6 and
		(.phases | keys_unsorted == ["encoder", "adapter", "llm", "backward", "optimizer", "evaluation"]) and
		(.phases | .backward.tokens == .llm.tokens and .llm.flops > 0 and .evaluation.flops > 0 and
		.optimizer.flops == 0 and .optimizer.seconds > 0)' full >said
done
# All weights train: back is twice forward, but for the first layers and the scores that are computed anew.
jq -e '.phases | (.encoder.tokens == 0) and (.backward.flops / .llm.flops | . > 1.9 and . < 2.2)' full >said
# An encoder that teaches reads the histories once more, and ranks all of the 240 items for each of the 48 questions.
for taught in 0 0.8; do
	ul-finetune -q --llm lm.gguf -m encoder.ult --batch 16 --steps 3 --teach $taught --profile taught$taught -o out data.ult
done
rm out
jq -e -s 'map(.phases.encoder.flops) | (.[1] - 2 * .[0]) / (2 * 48 * 8) | . == floor and . >= 240 and . < 250' taught0 taught0.8
words="not '-'" usage ul-finetune --llm lm.gguf -m encoder.ult --profile - -o out data.ult
words='cannot be both' usage ul-finetune --llm lm.gguf -m encoder.ult --profile log --log log -o out data.ult
[[ ! -e out && ! -e log ]]
