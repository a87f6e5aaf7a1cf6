# Training that diverges is a failure, and leaves the best weights before.
small data.ult encoder.ult lm.gguf
expect 1 ul-finetune -q --llm lm.gguf -m encoder.ult --latents 2 --batch 16 --tune full --llm-lr 100 --lr 10 \
	--steps 300 --evaluate-every 1 -o out data.ult 2>err
[[ $(wc -l <err) == 1 ]]
grep -q 'diverged.*written are the best' err
ul-gen -q --llm lm.gguf -m encoder.ult -a out --rank 3 --limit 3 data.ult >said
[[ $(wc -l <said) == 3 ]]
