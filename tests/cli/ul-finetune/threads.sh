# The same seed gives the same bytes, whatever the threads; another seed others.
small data.ult encoder.ult lm.gguf
for options in '--tune enc' '--tune proj' '--tune enc --latents 0' '--tune full --teach 0.5 --questions 9 --recompute'; do
	# shellcheck disable=SC2086
	for run in -T1 -T2 -T3 '--seed 1' '--seed 2'; do
		tune --llm lm.gguf -m encoder.ult --batch 80 $options $run -o "adapter$run" data.ult
	done
	cmp adapter-T1 adapter-T2
	cmp adapter-T1 adapter-T3
	for seed in 1 2; do
		numbers "adapter--seed $seed" >$seed
	done
	numbers adapter-T1 | cmp - 1
	expect 1 cmp -s 1 2
done
