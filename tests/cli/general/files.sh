# No file that a tool reads is lost to one that it writes, whoever names it, and none is written twice; ul-cat alone
# makes one stream of several in the place of one of them.
small data.ult encoder.ult lm.gguf
cp data.ult d.ult && cp encoder.ult e.ult && cp lm.gguf l.gguf
mkdir folder ml
cp "$TESTDATA/events.csv" "$TESTDATA/items.csv" .

# What would be written after hours is tried before them.
for train in 'ul-pretrain --dim 8 --layers 1 --heads 1' 'ul-finetune --llm lm.gguf -m encoder.ult'; do
	# shellcheck disable=SC2086
	expect 1 timeout 60 $train --steps 1000000 --patience 0 -o folder data.ult 2>err
	[[ $(wc -l <err) == 1 ]]
	grep -q 'Is a directory' err
	# shellcheck disable=SC2086
	words='empty name' usage timeout 60 $train --steps 1000000 --patience 0 -o '' data.ult
	words='not' usage $train --log - -o out data.ult
done
words='empty name' usage ul-embed -m encoder.ult --state '' -o out data.ult

words='is an input, too'
usage ul-embed -q -m encoder.ult --pool last -o d.ult d.ult
usage ul-embed -q -m encoder.ult --state d.ult -o out d.ult
ul-embed -q -m encoder.ult --pool last -o users.ult data.ult
cp users.ult u.ult
usage ul-cat --count 3 -o u.ult u.ult
usage ul-cat --to csv -o u.ult u.ult
cmp users.ult u.ult
ul-cat -o u.ult u.ult # the same again
ul-cat --merge -o u.ult u.ult
cmp users.ult u.ult
printf '1::2::3::4\n1::3::3::5\n' >ml/ratings.dat
printf '2::A (1990)::Drama\n3::B (1991)::Drama\n' >ml/movies.dat
usage ul-prep -q --preset ml-1m -o ml/movies.dat ml
usage ul-prep -q --preset ml-1m -o ml/ratings.dat ml
ul-prep -q --preset ml-1m -o ml/data.ult ml
ul-prep -q --preset ml-1m -o ml/data.ult ml # again, beside the set's own files

# A checkpoint knows of files, too, that the command line does not name.
finetune=(ul-finetune -q --llm l.gguf -m e.ult --latents 2 --batch 8 --steps 40)
"${finetune[@]}" --checkpoint-every 0.0001 --checkpoint saved -o a.ult d.ult
sum=$(cat d.ult e.ult l.gguf saved | cksum)
for file in e.ult l.gguf d.ult; do
	usage ul-finetune -q --resume saved -o "$file" d.ult
	usage ul-finetune -q --resume saved --log "$file" -o out d.ult
	usage ul-finetune -q --resume saved --profile "$file" -o out d.ult
	usage ul-finetune -q --resume saved --checkpoint "$file" -o out d.ult
done
usage ul-finetune -q --resume saved -o saved d.ult
usage ul-finetune -q --resume saved --log saved -o out d.ult
usage ul-finetune -q --resume saved --profile ./saved -o out d.ult
cp e.ult q.ult.checkpoint
usage ul-finetune -q --llm l.gguf -m q.ult.checkpoint --steps 1 -o q.ult d.ult
cmp e.ult q.ult.checkpoint
[[ $(cat d.ult e.ult l.gguf saved | cksum) == "$sum" ]]
ul-finetune -q --resume saved --checkpoint saved -o again.ult d.ult
cmp a.ult again.ult

# A folder that is an LLM has other files, too.
mkdir llm
echo '{}' >llm/config.json
usage ul-finetune -q --llm llm -m e.ult --log llm/config.json -o out d.ult
usage ul-finetune -q --llm llm -m e.ult -o llm/config.json d.ult
: >llm/log
expect 3 ul-finetune -q --llm llm -m e.ult --log llm/log -o llm/a.ult d.ult 2>err
[[ $(<err) != *'is an input'* ]]

words='cannot be both'
usage "${finetune[@]}" --log x -o x d.ult
usage "${finetune[@]}" --log x -o ./x d.ult
usage "${finetune[@]}" --log folder/x -o folder/../folder/x d.ult
usage ul-embed -q -m e.ult --pool last --state x -o ./x d.ult
"${finetune[@]}" --log /dev/null -o /dev/null d.ult
usage "${finetune[@]}" --log x --profile x -o out d.ult
usage "${finetune[@]}" --checkpoint x --profile x -o out d.ult
usage "${finetune[@]}" --profile out.checkpoint -o out d.ult
usage ul-embed -q -m e.ult --state x -o x d.ult

# Standard input is read once.
words='only once'
usage ul-embed -m - -o out - <e.ult
usage ul-gen --llm l.gguf --prompts - --stop x -m - <e.ult
usage ul-finetune --llm l.gguf -m - -o out - <e.ult
usage ul-prep --items - -o out - <events.csv
words='only once, and is where there is no FILE'
usage ul-prep --items - -o out <events.csv
usage ul-pretrain --arch lm --texts - -o out <d.ult
usage ul-embed -m - -o out <e.ult
usage ul-gen -m - --rank 3 -o out <e.ult
usage ul-finetune --llm l.gguf -m - -o out <d.ult
usage ul-eval -b - -o out <"$CASES/ul-eval/good.jsonl"
ul-embed -m - --items -o items.ult <e.ult

# A file does not take the place of a stream that is closed, nor what is said a place in the file.
ul-gen -m e.ult --rank 3 -o expected d.ult 2>err
[[ -s err ]]
ul-gen -m e.ult --rank 3 -o out d.ult 2>&- >&- <&-
cmp expected out
ul-prep -q -o expected events.csv
ul-prep -q -o out events.csv >&-
cmp expected out
expect 1 ul-prep -q events.csv >&- 2>err
[[ $(wc -l <err) == 1 ]]
expect 1 ul-prep -q <&- >out 2>err
[[ $(wc -l <err) == 1 && ! -s out ]]
expect 1 ul-prep -q -o /dev/stdout events.csv >&- 2>err
expect 1 ul-prep -q -o /dev/stderr events.csv 2>&-
