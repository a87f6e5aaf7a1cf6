# An untrained adapter changes nothing: what the LLM says with it is what it says alone.  A trained one does.
small data.ult encoder.ult lm.gguf
answers() {
	ul-gen -q --llm lm.gguf --rank 5 --limit 20 "$@" data.ult
}
answers >alone
for latents in 0 3; do
	tune --llm lm.gguf -m encoder.ult --latents $latents --steps 0 -o adapter.ult data.ult
	answers -m encoder.ult -a adapter.ult | cmp alone -
	tune --llm lm.gguf -m encoder.ult --latents $latents -o adapter.ult data.ult
	answers -m encoder.ult -a adapter.ult >trained
	expect 1 cmp -s alone trained
done
