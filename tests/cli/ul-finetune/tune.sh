# What is in the file is what was trained: with enc the encoder too, with full also the LLM.
small data.ult encoder.ult lm.gguf
tune --tune proj --llm lm.gguf -m encoder.ult -o proj.ult data.ult
tune --tune enc --llm lm.gguf -m encoder.ult -o enc.ult data.ult
tune --tune full --llm lm.gguf -m encoder.ult -o full.ult data.ult
for what in proj enc full; do
	ul-cat --list $what.ult >$what
done
grep -q 'ul.tune *proj' proj
grep -q 'ul.tune *enc' enc
grep -q 'ul.tune *full' full
expect 1 grep -q ' enc\.' proj
for list in enc full; do
	grep -q ' enc\.block\.0\.attn\.q ' $list
done
for list in proj enc full; do
	grep -q ' xattn\.1\.gate ' $list
	grep -q ' perceiver\.latents ' $list
done
for list in proj enc; do
	expect 1 grep -q ' llm\.' $list
done
grep -q ' llm\.blk\.1\.attn\.q ' full
# From pipes, and to one.
ul-finetune -q --latents 2 --batch 16 --steps 2 --llm <(cat lm.gguf) -m <(cat encoder.ult) <data.ult >piped.ult
ul-gen -q --llm lm.gguf -m encoder.ult -a piped.ult --rank 3 --limit 9 data.ult >a
ul-gen -q --llm lm.gguf -m encoder.ult -a enc.ult --rank 3 --limit 9 data.ult | cmp a -
# An encoder that does not train does not drop out: one of other dropout and the same weights trains the same.
for rate in 0 0.5; do
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 --dropout $rate -o encoder$rate.ult data.ult
	for what in proj enc; do
		tune --tune $what --llm lm.gguf -m encoder$rate.ult -o adapter.ult data.ult
		numbers adapter.ult >$what$rate
	done
done
cmp proj0 proj0.5
expect 1 cmp -s enc0 enc0.5
