# Token ids of lines and logits of ids.
small lm.gguf data.ult
printf 'Next choice:\n\n  two  spaces\n' >lines
ul-gen --llm lm.gguf --tokenize lines >ids
[[ $(wc -l <ids) == 3 ]]
sed -n 2p ids | grep -qx '\[\]'
ul-gen --llm lm.gguf --tokenize <lines | cmp ids -
ul-gen --llm lm.gguf --tokenize - <lines | cmp ids -
ul-gen --llm lm.gguf --tokenize lines lines >twice
cat ids ids | cmp twice -
head -n 1 ids >first.json
ul-gen --llm lm.gguf --ids first.json --logits -o logits.npy
tokens=$(tr , '\n' <first.json | wc -l)
# A header of 128 bytes, then tokens × 400 numbers of four bytes.
[[ $(head -c 6 logits.npy | tail -c 5) == NUMPY ]]
[[ $(wc -c <logits.npy) == $((128 + tokens * 400 * 4)) ]]
grep -aq "'descr': '<f4'.*'shape': ($tokens, 400)" logits.npy
ul-gen -T 1 --llm lm.gguf --ids first.json --logits | cmp logits.npy -
ul-gen --llm lm.gguf --ids - --logits <first.json | cmp logits.npy -
echo '[1, 400]' >beyond.json
expect 3 ul-gen --llm lm.gguf --ids beyond.json --logits -o x.npy 2>err
grep -q '^ul-gen: beyond.json: element 1 is none' err
echo '{"ids": 1' >broken.json
expect 3 ul-gen --llm lm.gguf --ids broken.json --logits -o x.npy 2>err
[[ ! -e x.npy ]]
words=--ids usage ul-gen --llm lm.gguf --logits
words=--logits usage ul-gen --llm lm.gguf --ids first.json --prompt x
words='only one of .* at a time' usage ul-gen --llm lm.gguf --tokenize --prompt x
words="'data.ult' is not read: --logits" usage ul-gen --llm lm.gguf --ids first.json --logits data.ult
# Weights that are no numbers: whatever is asked, the file is damaged, and named.
{
	head -c -4000 lm.gguf
	head -c 4000 /dev/zero | tr '\0' '\377'
} >nan.gguf
damaged() {
	rm -f x
	expect 3 ul-gen -q --llm nan.gguf -o x "$@" 2>err
	[[ $(wc -l <err) == 1 && ! -e x ]]
	grep -q '^ul-gen: nan.gguf: the LLM gives no numbers' err
}
damaged --ids first.json --logits
damaged --perplexity lines
damaged --prompt Next
damaged --prompt Next --temperature 1
damaged --prompt Next --beams 3
damaged --rank 3 data.ult
