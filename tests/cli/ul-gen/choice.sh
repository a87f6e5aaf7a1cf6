# What bounds the choice of tokens and the length of a text.
small data.ult lm.gguf
say() {
	ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 30 --format text "$@"
}
say >greedy
say --temperature 1 --min-p 1 | cmp greedy -
say --repeat-penalty 1 | cmp greedy -
say --temperature 2 --repeat-penalty 50 >varied
expect 1 cmp -s varied greedy
# A stop text ends a text, and does not belong to it.
said=$(tail -c +13 greedy)
first=${said:0:3}
[[ $(say --stop "$first") == 'Next choice:' ]]
[[ $(say --stop "$said") == 'Next choice:' ]]
last=${said: -1}
[[ $(say --stop "$last") == "Next choice:${said%%"$last"*}" ]]
[[ $(say --stop "$last" --stop "$first") == 'Next choice:' ]]
say --stop 'nobody says this' | cmp greedy -
words=--stop usage ul-gen --llm lm.gguf --prompt x --stop ''
words=--min-p usage ul-gen --llm lm.gguf --prompt x --min-p 2
# What nothing would be done with.
words='--top-k goes with --temperature' usage ul-gen --llm lm.gguf --prompt x --top-k 3
words='--temperature goes with sampling' usage ul-gen --llm lm.gguf --prompt x --temperature 1 --beams 2
words='--repeat-penalty goes with sampling' usage ul-gen --llm lm.gguf --prompt x --repeat-penalty 2 --beams 2
words=--prompt usage ul-gen --llm lm.gguf --rank 3 --beams 2 data.ult
# Beams find a likelier text than the greedy one, which is a step at a time.
ul-pretrain -q --arch lm --dim 16 --layers 2 --heads 2 --vocab 400 --steps 150 -o learned.gguf data.ult
worth() {
	ul-gen -q --llm learned.gguf --prompt 'Next choice:' --n-predict 3 --format text "$@" >text
	ul-gen -q --llm learned.gguf --perplexity text | jq .nll
}
jq -e -n "$(worth --beams 400) < $(worth) - 0.1"
