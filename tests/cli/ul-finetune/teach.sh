# Encoders whose items are no plain table teach, too.
small data.ult lm.gguf
for options in '--arch dual' '--temperature 0.1'; do
	# shellcheck disable=SC2086
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 $options -o encoder.ult data.ult
	tune --llm lm.gguf -m encoder.ult --teach 0.5 -o "taught$options" data.ult
	tune --llm lm.gguf -m encoder.ult -o untaught data.ult
	expect 1 cmp -s <(numbers "taught$options") <(numbers untaught)
	tune --llm lm.gguf -m encoder.ult --teach 0.5 -T 1 -o again data.ult
	cmp again "taught$options"
done
