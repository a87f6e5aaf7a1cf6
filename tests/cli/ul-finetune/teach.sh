# Encoders whose items are no plain table teach, too.
small data.ult lm.gguf
for options in '--arch dual' '--temperature 0.1'; do
	# shellcheck disable=SC2086
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 $options -o encoder.ult data.ult
	tune --llm lm.gguf -m encoder.ult --teach 0.5 -o "taught$options" data.ult
	tune --llm lm.gguf -m encoder.ult --teach 0 -o untaught data.ult
	expect 1 cmp -s <(numbers "taught$options") <(numbers untaught)
	tune --llm lm.gguf -m encoder.ult --teach 0.5 -T 1 -o again data.ult
	cmp again "taught$options"
done
# It does so unless told otherwise, but for items alone, and for an encoder that is to forget all it knows.
small encoder.ult
for options in '' '--teach 0.8' '--teach 0' '--reset-encoder' '--reset-encoder --teach 0'; do
	# shellcheck disable=SC2086
	tune --llm lm.gguf -m encoder.ult $options -o "with$options" data.ult
	numbers "with$options" >"numbers$options"
done
cmp numbers 'numbers--teach 0.8'
expect 1 cmp -s numbers 'numbers--teach 0'
cmp numbers--reset-encoder 'numbers--reset-encoder --teach 0'
tune --llm lm.gguf -m encoder.ult --task favorite -o favorite data.ult
