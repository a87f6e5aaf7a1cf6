# Interrupted and resumed: the same bytes as in one go, whatever trains; with other inputs, refused.
small data.ult encoder.ult lm.gguf
for options in '--tune enc --ema 0.8' '--tune proj --latents 0 --questions 4'; do
	rm -f ./*.checkpoint
	# shellcheck disable=SC2086
	tune --llm lm.gguf -m encoder.ult $options --steps 12 --evaluate-every 5 -T1 -o whole data.ult
	# shellcheck disable=SC2086
	tune --llm lm.gguf -m encoder.ult $options --steps 12 --evaluate-every 5 -T2 --checkpoint-every 1e-6 -o saved data.ult
	cmp whole saved
	ul-finetune -q --resume saved.checkpoint --llm lm.gguf -m encoder.ult -o again data.ult
	cmp whole again
done
# The models may have gone elsewhere, as long as they are the same.
cp lm.gguf moved.gguf
ul-finetune -q --resume saved.checkpoint --llm moved.gguf -o again data.ult
numbers whole >numbers
cmp numbers <(numbers again)
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 3 -o other.ult data.ult
words='other.ult is not what was in' usage ul-finetune -q --resume saved.checkpoint -m other.ult -o new data.ult
words='--tune was proj' usage ul-finetune -q --resume saved.checkpoint --tune enc -o new data.ult
# What was not the default stays so, though it is not said again.
for options in '--llm lm.gguf -m encoder.ult --teach 0 --steps 1000000 --patience 0' '--resume saved.checkpoint'; do
	# shellcheck disable=SC2086
	expect 130 timeout --foreground --preserve-status -s INT 2 ul-finetune -q $options -o saved data.ult
	ul-cat --list saved.checkpoint >list
	grep -q 'ul.option.teach *0$' list
done
