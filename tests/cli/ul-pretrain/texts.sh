# --texts: what else a language model learns from, in each of its forms.
small data.ult
lm() {
	ul-pretrain -q --arch lm --dim 8 --layers 1 --heads 2 --vocab 2000 --steps 2 "$@"
}
printf 'A wugwug, a "wugwug".\n\nTwo wugwugs\n' >lines
printf '\xef\xbb\xbfA wugwug, a "wugwug".\r\nTwo wugwugs' >windows.txt
printf '["A wugwug, a \\"wugwug\\".",\n "",\n "Two wug\\u0077ugs"]\n' >list.json
printf '"A wugwug, a \\"wugwug\\"."\n"Two wugwugs"\n' >lines.jsonl
head -n 1 lines >one
tail -n 1 lines >two.txt
lm -o lm.gguf --texts lines data.ult
for file in windows.txt list.json lines.jsonl; do
	lm --texts $file data.ult | cmp lm.gguf -
done
lm --texts one --texts two.txt data.ult | cmp lm.gguf -
lm --texts - data.ult <lines | cmp lm.gguf -
lm --texts lines <data.ult | cmp lm.gguf -
# They are learnt, and so are those of the dataset.
lm -o alone.gguf data.ult
words() {
	printf ' wugwug\nNext choice\n' | ul-gen --llm "$1" --tokenize
}
[[ $(words lm.gguf | sed 's/[^,]//g') == $'\n,' ]]
[[ $(words alone.gguf | head -n 1) == *,*,* ]]
ul-pretrain --arch lm --steps 0 --dim 8 --layers 1 --heads 2 --texts lines -o more data.ult 2>more.said
ul-pretrain --arch lm --steps 0 --dim 8 --layers 1 --heads 2 -o less data.ult 2>less.said
texts=$(grep -o '[0-9]* texts' less.said)
grep -q ": $((${texts% *} + 2)) texts" more.said
# What is no text is told with its file and line.
malformed() {
	expect 3 lm --texts lines --texts "$1" -o out data.ult 2>err
	[[ $(wc -l <err) == 1 && ! -e out ]]
	grep -q "^ul-pretrain: $1: line $2: $3" err
}
printf 'good\nb\xe4d\n' >latin.txt
malformed latin.txt 2 'is no text in UTF-8'
printf '"good"\n\n"bad\n' >open.jsonl
malformed open.jsonl 3 'no JSON'
printf '["good",\n"bad"' >open.json
malformed open.json 2 'no JSON'
printf '"good"\n{"text": "bad"}\n' >object.jsonl
malformed object.jsonl 2 'is neither'
printf '\n["good", 7]\n' >number.json
malformed number.json 2 'element 1 of the list is no string'
expect 1 lm --texts missing -o out data.ult 2>err
grep -q '^ul-pretrain: missing: cannot open' err
words='goes with --arch lm' usage ul-pretrain --texts lines -o out data.ult
words='where there is no FILE' usage lm --texts - -o out <data.ult
words='standard input can be read only once' usage lm --texts - --texts - -o out data.ult
words='would be lost' usage lm --texts lines -o lines data.ult
words='would be lost' usage lm --texts one --texts lines --log lines -o out data.ult
# A run goes on with the same texts alone.
lm --steps 9 --texts lines --checkpoint-every 1e-6 --checkpoint saved -o whole data.ult
resume() {
	ul-pretrain -q --resume saved -o new "$@" data.ult
}
resume --texts lines
cmp new whole
rm new
words='what is in one is not what was in lines' usage resume --texts one
words='there were 2 inputs then, and are 1 now' usage resume
[[ ! -e new ]]
# Where all texts are held out, it is that which is said.
printf 'user,item\n1,a\n1,a\n1,a\n1,a\n' | ul-prep -q -o lone.ult
expect 2 ul-pretrain -q --arch lm --holdout 0.9 --steps 1 -o lm lone.ult 2>err
grep -q -- '--holdout 0.9 keeps all of 2 texts' err
