# Many prompts: an answer each, in their order, the same one by one and together, from a file and a pipe.
small lm.gguf
printf 'Next choice:\nNext\n\nNext choice: The\n' >lines
say() {
	ul-gen -q --llm lm.gguf --prompts lines --n-predict 12 "$@"
}
say >all
[[ $(wc -l <all) == 4 ]]
sed -n 's/.*"prompt": "\([^"]*\)", .*/\1/p' all | cmp lines -
say --batch 1 | cmp all -
say -T 1 | cmp all -
say -T 2 | cmp all -
ul-gen -q --llm lm.gguf --prompts - --n-predict 12 <lines | cmp all -
# Each line has its own chance, whatever is decoded beside it.
say --temperature 3 >warm
say --temperature 3 --batch 3 | cmp warm -
expect 1 cmp -s all warm
# One prompt is the first line's answer.
ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 12 >one
head -n 1 all | cmp one -
ul-gen -q --llm lm.gguf --prompts lines --n-predict 3 --beams 3 >beams
[[ $(wc -l <beams) == 4 ]]
expect 1 ul-gen -q --llm lm.gguf --prompts missing --n-predict 3 2>err
grep -q '^ul-gen: missing: cannot open' err
# A line that is too long for the context is named.
printf 'Next choice: %.0s' {1..400} >long
cat lines long >some
words='some: line 5: ' usage ul-gen -q --llm lm.gguf --prompts some
# Lines as some editors leave them: a mark in front, CR behind.
sed 's/$/\r/; 1s/^/\xef\xbb\xbf/' lines >dos
expect 1 cmp -s lines dos
ul-gen -q --llm lm.gguf --prompts dos --n-predict 12 | cmp all -
# An empty line is a text like others, where the LLM has a token to begin with.
