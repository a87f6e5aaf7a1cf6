# Vectors of users in the place of an encoder: of ul-embed by id, from elsewhere in the order of the data.
small data.ult encoder.ult lm.gguf adapter.ult
run() {
	local name=$1
	shift
	ul-finetune -q --llm lm.gguf --latents 2 --batch 16 --steps 2 -o "$name" "$@" data.ult
}
answers() {
	ul-gen -q --llm lm.gguf --rank 5 --limit 9 --keep-seen "$@" data.ult
}
different() {
	[[ $(jq -c .scores "$1" | sort -u | wc -l) -gt 5 ]]
}
embed() {
	ul-embed -q -m encoder.ult --split train "$@" data.ult
}
embed --pool last -o last.ult
embed --pool last --format npy -o last.npy
embed --pool mean --dtype i8 --format safetensors -o mean.safetensors
embed --pool none --dtype f16 -o none.ult
embed -a adapter.ult -o latents.ult
embed -a adapter.ult --format npy --dtype f16 -o latents.npy
for file in last.ult last.npy mean.safetensors none.ult latents.ult latents.npy; do
	run adapter-$file --inject-layers 1 --embeddings $file
	answers -a adapter-$file --embeddings $file >said
	different said
done
ul-cat --list adapter-none.ult >list
grep -q 'ul.tune *proj$' list
grep -q 'ul.dim *8$' list
grep -q 'ul.heads *1$' list
grep -q '"none.ult"' list
expect 1 grep -qE 'ul.encoder| enc\.' list
# The same numbers are the same vectors, found by id or by place; the answers for many chunks, too.
numbers adapter-last.ult >numbers
numbers adapter-last.npy | cmp numbers -
answers -a adapter-last.ult --embeddings last.ult >a
answers -a adapter-last.ult --embeddings last.npy | cmp a -
run again -T1 --inject-layers 1 --embeddings last.ult
cmp adapter-last.ult again
# Other ways in and of tuning; and rows as they are.
run soft --inject soft --tune lora --embeddings none.ult
answers -a soft --embeddings none.ult >said
different said
run rows --latents 0 --tune full --embeddings none.ult
answers -a rows --embeddings none.ult >said
different said
ul-gen -q --llm lm.gguf -a rows --embeddings none.ult --n-predict 3 --limit 3 data.ult | grep -q '"nll"'
# Interrupted and resumed; but not with other vectors.
run saved --steps 6 --evaluate-every 2 --checkpoint-every 1e-6 --embeddings last.ult
ul-finetune -q --resume saved.checkpoint -o again data.ult
cmp saved again
words='what was in last.ult' usage ul-finetune -q --resume saved.checkpoint --embeddings none.ult -o new data.ult
# Any shape of plain files: numbers of an odd width; but none other.
users=$(($(ul-embed -q -m encoder.ult --pool last --format csv data.ult | wc -l) - 1))
npy() { # FILE TYPE SHAPE BYTES
	local head="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
	printf "\\x93NUMPY\\x01\\x00\\x$(printf %x $((${#head} + 1)))\\x00%s\\n" "$head" >"$1"
	head -c "$4" lm.gguf | tr -c '\1-\60' '\60' >>"$1"
}
npy odd.npy '<f4' "$users, 3, 7" $((users * 84))
run odd --latents 0 --embeddings odd.npy
answers -a odd --embeddings odd.npy >said
npy more.npy '<f4' "$((users + 1)), 7" $((users * 28 + 28))
npy flat.npy '<f4' "$users" $((users * 4))
npy wide.npy '<f8' "$users, 7" $((users * 56))
npy short.npy '<f4' "$users, 7" $((users * 28 - 1))
words="where the data has $users" usage run out --embeddings more.npy
words='1 dimensions' usage run out --embeddings flat.npy
words='F64' usage run out --embeddings wide.npy
expect 3 run out --embeddings short.npy 2>err
grep -q 'short.npy: .* bytes of numbers' err
words='7 numbers' usage ul-gen --llm lm.gguf -a odd --embeddings last.ult --rank 3 data.ult
# What does not go together.
ul-cat -q --count 3 -o few.ult last.ult
words='has no vectors' usage run out --embeddings few.ult
words='none of .* tensors' usage run out --embeddings <(ul-cat -q --to safetensors encoder.ult | sed 's/ul.kind/ul.kine/')
words='not both' usage run out -m encoder.ult --embeddings last.ult
words='--embeddings do not train' usage run out --tune enc --embeddings last.ult
words='--reset-encoder goes with' usage run out --reset-encoder --embeddings last.ult
words='--embeddings goes with' usage ul-finetune --llm lm.gguf --inject text --tune lora --embeddings last.ult -o out data.ult
words='no encoder' usage ul-gen --llm lm.gguf -a soft -m encoder.ult --rank 3 data.ult
words='--embeddings FILE is missing' usage ul-gen --llm lm.gguf -a soft --rank 3 data.ult
words='from outside' usage ul-embed -m encoder.ult -a soft -o out data.ult
[[ ! -e out ]]
