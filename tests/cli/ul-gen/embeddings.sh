# From its latents an adapter answers what it answers from the histories: ranks, prompts and its task in words.
small data.ult encoder.ult lm.gguf adapter.ult
tune --inject soft --tune full --llm lm.gguf -m encoder.ult -o soft.ult data.ult
# near FILE FILE: the same but for the last digits of numbers
near() {
	local a b
	a=$(tr -s ' ,:[]{}' '\n' <"$1") b=$(tr -s ' ,:[]{}' '\n' <"$2")
	paste <(echo "$a") <(echo "$b") | awk -F'\t' '
		function number(x) { return x ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ }
		$1 != $2 && !(number($1) && number($2) && ($1 - $2) ^ 2 <= 1e-8) { exit 1 }'
}
for adapter in adapter soft; do
	for split in test all; do
		ul-embed -q -m encoder.ult -a $adapter.ult --split $split -o $adapter-$split.ult data.ult
		answers() {
			ul-gen -q --llm lm.gguf -a $adapter.ult --split $split --limit 9 "$@" data.ult
		}
		answers -m encoder.ult --rank 5 >with
		answers --embeddings $adapter-$split.ult --rank 5 >without
		near with without
		[[ $(jq -c .scores without | sort -u | wc -l) -gt 5 ]]
	done
	split=test
	for question in '--prompt Next --n-predict 4' '--n-predict 4'; do
		# shellcheck disable=SC2086
		answers -m encoder.ult $question >with
		# shellcheck disable=SC2086
		answers --embeddings $adapter-test.ult $question >without
		near with without
	done
	answers --embeddings $adapter-test.ult -T1 --n-predict 4 | cmp without -
done
# Smaller numbers, and a plain document, serve as well.
for dtype in f16 i8; do
	ul-embed -q -m encoder.ult -a adapter.ult --split test --dtype $dtype --format safetensors -o $dtype data.ult
	ul-gen -q --llm lm.gguf -a adapter.ult --embeddings $dtype --rank 5 --limit 9 data.ult >small
	[[ $(wc -l <small) == 9 ]]
done
# Latents that have seen what is asked for are told of.
ask() {
	ul-gen --llm lm.gguf -a adapter.ult --rank 3 --limit 3 "$@" data.ult
}
ask --embeddings adapter-all.ult 2>said >/dev/null
grep -q 'adapter-all.ult: .*--split all' said
ask --embeddings adapter-test.ult 2>said >/dev/null
expect 1 grep -q 'split' said
# What does not go together.
ul-cat -q --count 3 -o few.ult adapter-test.ult
ul-embed -q -m encoder.ult --pool last -o last.ult data.ult
ul-embed -q -m encoder.ult --items -o items.ult
ul-finetune -q --llm lm.gguf --inject none --tune lora --steps 0 -o none.ult data.ult
tune --latents 0 --llm lm.gguf -m encoder.ult -o rows.ult data.ult
fourth=$(ul-cat -q --to csv --from 3 --count 1 adapter-test.ult | sed -n '2s/,.*//p')
words="user '$fourth' has no vectors" usage ul-gen -q --llm lm.gguf -a adapter.ult --embeddings few.ult --rank 3 -o out data.ult
words='of another adapter' usage ask --embeddings soft-test.ult
words='its own latents' usage ask --embeddings last.ult
words='items.ult: embeddings of items' usage ask --embeddings items.ult
words='in the place of an encoder' usage ask --embeddings adapter-test.ult -m encoder.ult
words='go with an adapter' usage ul-gen --llm lm.gguf --embeddings last.ult --rank 3 data.ult
words='no --embeddings go with it' usage ul-gen --llm lm.gguf -a none.ult --embeddings last.ult --rank 3 data.ult
words='no Perceiver' usage ul-gen --llm lm.gguf -a rows.ult --embeddings last.ult --rank 3 data.ult
expect 3 ask --embeddings encoder.ult 2>/dev/null
[[ ! -e out ]]
