# Other ways in: soft tokens and text; and low-rank updates of the LLM.
small data.ult encoder.ult lm.gguf
run() {
	local name=$1
	shift
	ul-finetune -q --llm lm.gguf --batch 16 --steps 3 -o "$name.ult" "$@" data.ult
	ul-cat --list "$name.ult" >"$name"
}
answers() {
	ul-gen -q --llm lm.gguf --rank 5 --limit 9 --keep-seen "$@" data.ult
}
# different FILE: each user's answer is another one's, too, only where the LLM does not know them
different() {
	[[ $(jq -c '[.items, .scores]' "$1" | sort -u | wc -l) -gt 5 ]]
}
run soft -m encoder.ult --inject soft --latents 2 --tune proj
grep -q 'ul.inject *soft' soft
grep -q ' soft\.project ' soft
expect 1 grep -qE 'xattn|lora' soft
answers -m encoder.ult -a soft.ult >said
different said
answers -T 1 -m encoder.ult -a soft.ult | cmp said -
run both -m encoder.ult --inject soft --latents 2 --tune lora --rank 3
grep -q ' lora\.blk\.1\.ffn\.down\.a ' both
grep -q ' enc\.block\.0\.attn\.q ' both
expect 1 grep -q ' llm\.' both
answers -m encoder.ult -a both.ult >said
different said
# As text, of as many events as there is room for.
run text --inject text --history 3 --tune lora --lora-matrices q,v --lora-alpha 5
grep -q 'ul.history *3$' text
grep -q 'ul.lora_alpha *5$' text
grep -q 'ul.lora_matrices *q,v$' text
expect 1 grep -qE 'soft|xattn|ul.encoder|ffn' text
answers -a text.ult >said
different said
ul-gen -q --llm lm.gguf -a text.ult --prompt 'Next choice:' --n-predict 3 --limit 9 data.ult >texts
[[ $(wc -l <texts) == 9 ]]
grep -q '^{"user": ' texts
run more --inject text --history 999 --history-features --tune full
answers -a more.ult >said
different said
# An LLM alone with low-rank updates, and merged with them.
run none --inject none --tune lora
answers -a none.ult >said
ul-cat --to gguf --llm lm.gguf -o merged.gguf none.ult
ul-gen -q --llm merged.gguf --rank 5 --limit 9 --keep-seen data.ult >merged
cmp <(jq -c .items said) <(jq -c .items merged)
paste <(jq -c .scores said) <(jq -c .scores merged) | tr -d '[]' | tr '\t' ',' |
	awk -F, '{ for (i = 1; i <= 5; i++) if (($i - $(i + 5)) ^ 2 > 1e-8) exit 1 }'
ul-cat --to gguf --llm lm.gguf text.ult >text.gguf
# What does not go together.
words='--latents' usage ul-finetune --llm lm.gguf -m encoder.ult --inject soft --latents 0 -o out data.ult
words='--history goes with --inject text' usage ul-finetune --llm lm.gguf -m encoder.ult --history 3 -o out data.ult
words='--rank goes with --tune lora' usage ul-finetune --llm lm.gguf -m encoder.ult --rank 3 -o out data.ult
words='--tune lora or full' usage ul-finetune --llm lm.gguf --inject text -o out data.ult
words='--model' usage ul-finetune --llm lm.gguf --inject text --tune lora -m encoder.ult -o out data.ult
words='none of the matrices' usage ul-finetune --llm lm.gguf --inject text --tune lora --lora-matrices k,x -o out data.ult
words='one --prompt' usage ul-gen --llm lm.gguf -a text.ult --prompts said data.ult
[[ ! -e out ]]
