# No file that a tool reads is lost to one that it writes, whoever names it, and none is written twice.
small data.ult encoder.ult lm.gguf
cp data.ult d.ult && cp encoder.ult e.ult && cp lm.gguf l.gguf
mkdir folder ml
cp "$TESTDATA/events.csv" "$TESTDATA/items.csv" .

# What would be written after hours is tried before them.
for output in folder ''; do
	for train in "ul-pretrain --dim 8 --layers 1 --heads 1" "ul-finetune --llm lm.gguf -m encoder.ult"; do
		before=$SECONDS
		# shellcheck disable=SC2086
		! $train --steps 1000000 --patience 0 -o "$output" data.ult >out 2>err
		[[ $(wc -l <err) == 1 ]] && grep -q 'Is a directory\|empty name' err && ((SECONDS - before < 20))
	done
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
cmp users.ult u.ult
printf '1::2::3::4\n1::3::3::5\n' >ml/ratings.dat
printf '2::A (1990)::Drama\n3::B (1991)::Drama\n' >ml/movies.dat
usage ul-prep -q --preset ml-1m -o ml/movies.dat ml
usage ul-prep -q --preset ml-1m -o ml/ratings.dat ml
ul-prep -q --preset ml-1m -o ml/data.ult ml && ul-prep -q --preset ml-1m -o ml/data.ult ml

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

words='cannot be both'
usage "${finetune[@]}" --log x -o x d.ult
usage "${finetune[@]}" --log x --profile x -o out d.ult
usage "${finetune[@]}" --checkpoint x --profile x -o out d.ult
usage "${finetune[@]}" --profile out.checkpoint -o out d.ult
usage ul-embed -q -m e.ult --state x -o x d.ult
