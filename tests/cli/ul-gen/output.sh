# What is written takes the place of nothing that is read: not the LLM, nor a part of it, nor the prompts.
small data.ult encoder.ult adapter.ult
small lm.gguf && cp --remove-destination "$(readlink lm.gguf)" lm.gguf
printf 'Next choice:\n' >prompts
echo '[1, 2]' >ids
ln -s lm.gguf link
cp lm.gguf m-00001-of-00003.gguf
echo part >m-00003-of-00003.gguf
mkdir folder
echo '{}' >folder/config.json
files=(lm.gguf prompts ids m-00003-of-00003.gguf folder/config.json encoder.ult adapter.ult data.ult)
sum=$(cat "${files[@]}" | cksum)
words='is an input, too'
for output in lm.gguf ./lm.gguf link; do
	usage ul-gen --llm lm.gguf --prompt x -o "$output"
done
usage ul-gen --llm link --prompt x -o lm.gguf
usage ul-gen --llm lm.gguf --tokenize prompts -o lm.gguf
usage ul-gen --llm lm.gguf --tokenize prompts -o prompts
usage ul-gen --llm lm.gguf --ids ids --logits -o lm.gguf
usage ul-gen --llm lm.gguf --ids ids --logits -o ids
usage ul-gen --llm lm.gguf --prompts prompts -o prompts
usage ul-gen --llm lm.gguf -m encoder.ult -a adapter.ult --rank 1 -o adapter.ult data.ult
usage ul-gen -m encoder.ult --rank 1 -o encoder.ult data.ult
usage ul-gen -m encoder.ult --rank 1 -o data.ult data.ult
usage ul-gen --llm m-00001-of-00003.gguf --prompt x -o m-00003-of-00003.gguf
usage ul-gen --llm folder --prompt x -o folder/config.json
usage ul-cat --to gguf m-00001-of-00003.gguf -o m-00003-of-00003.gguf
usage ul-cat --to gguf --llm lm.gguf adapter.ult -o lm.gguf
usage ul-finetune --llm lm.gguf --inject none --tune full -o lm.gguf data.ult
usage ul-finetune --llm lm.gguf --inject none --tune full -o x --log lm.gguf data.ult
usage ul-embed -m encoder.ult -o encoder.ult data.ult
[[ $(cat "${files[@]}" | cksum) == "$sum" ]]
# A signal leaves nothing behind.
mkdir out
yes Next | head -n 3000 | ul-gen -q --llm lm.gguf --prompts - --n-predict 60 -o out/x &
for ((i = 0; i < 500; i++)); do
	! ls -l "/proc/$!/fd" 2>/dev/null | grep -q "$PWD/out/" || break
	sleep 0.02
done
kill -TERM $!
expect 143 wait $!
[[ -z $(ls -A out) ]]
