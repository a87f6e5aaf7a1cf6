# Without a user: the LLM alone learns, and says the same to everybody.
small data.ult encoder.ult lm.gguf
none() {
	ul-finetune -q --llm lm.gguf --inject none --tune full --batch 32 "$@" data.ult
}
none --steps 0 -o untrained.ult
none --steps 8 -o none.ult
ul-cat --list none.ult >list
grep -q 'ul.inject *none' list
grep -q ' llm\.embed ' list
expect 1 grep -qE 'xattn|perceiver| enc\.|ul\.encoder|ul\.latents' list
answers() {
	ul-gen -q --rank 5 --limit 20 --keep-seen "$@" data.ult
}
answers --llm lm.gguf >alone
answers --llm lm.gguf -a untrained.ult | cmp alone -
answers --llm lm.gguf -a none.ult >tuned
expect 1 cmp -s alone tuned
[[ $(jq -c '[.items, .scores]' tuned | sort -u | wc -l) == 1 ]]
# The same as a language model of its own, for other engines.
ul-cat --to gguf --llm lm.gguf -o tuned.gguf none.ult
answers --llm tuned.gguf | cmp tuned -
ul-gen -q --llm tuned.gguf --prompt 'Next choice:' --n-predict 12 >one
ul-gen -q --llm lm.gguf -a none.ult --prompt 'Next choice:' --n-predict 12 | cmp one -
ul-cat --to gguf --llm lm.gguf untrained.ult >same.gguf
cat untrained.ult | ul-cat --to gguf --llm lm.gguf - | cmp same.gguf -
ul-cat --to gguf lm.gguf | tail -c 10000 | cmp - <(tail -c 10000 same.gguf)
# On a terminal, too, users have a JSON line each.
! command -v script >/dev/null || [[ $(script -qec "ul-gen -q --llm lm.gguf -a none.ult --limit 1 --n-predict 5 data.ult" /dev/null </dev/null) == '{"user": '* ]]
# What does not go together.
words='do not --chat' usage ul-gen --llm lm.gguf -a none.ult --chat data.ult
words='JSON lines' usage ul-gen --llm lm.gguf -a none.ult --format text data.ult
words='--tune lora or full' usage ul-finetune --llm lm.gguf --inject none -o out data.ult
words='--model' usage ul-finetune --llm lm.gguf --inject none --tune full -m encoder.ult -o out data.ult
words='--latents' usage ul-finetune --llm lm.gguf --inject none --tune full --latents 3 -o out data.ult
words='no encoder (-m) goes with it' usage ul-gen --llm lm.gguf -m encoder.ult -a none.ult --rank 3 data.ult
words='another LLM' usage ul-gen --llm tuned.gguf -a none.ult --rank 3 data.ult
words='another LLM' usage ul-cat --to gguf --llm tuned.gguf -o out none.ult
words='knows no users' usage ul-gen --llm lm.gguf -a none.ult --prompt Next data.ult
words='knows no users' usage ul-gen --llm lm.gguf -a none.ult --prompt Next --limit 3
tune --tune full --llm lm.gguf -m encoder.ult -o full.ult data.ult
words='no place for' usage ul-cat --to gguf --llm lm.gguf -o out full.ult
words='--to gguf' usage ul-cat --to npy --llm lm.gguf -o out none.ult
[[ ! -e out ]]
