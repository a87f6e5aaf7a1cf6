# A real LLM with a SentencePiece vocabulary, joined to an encoder: trained, ranking, talking.
real_model stories260K/stories260K-f32.gguf
small data.ult encoder.ult
tune --llm stories260K-f32.gguf -m encoder.ult -o adapter.ult data.ult
ul-gen -q --llm stories260K-f32.gguf -m encoder.ult -a adapter.ult --rank 5 --limit 3 data.ult >answers
[[ $(grep -c '"items": \["[0-9]*"\(, "[0-9]*"\)\{4\}\]' answers) == 3 ]]
ul-gen -q --llm stories260K-f32.gguf -m encoder.ult -a adapter.ult --prompt 'Once upon' --n-predict 8 --limit 2 data.ult >texts
[[ $(wc -l <texts) == 2 ]]
# The same model from a folder ranks the same: names begin with one space there, too.
real_model tinystories-656k-hf
real_model tinystories-656k-gguf/tinystories-656k-f32.gguf
rank() {
	ul-gen -q --llm "$1" --rank 3 --limit 3 data.ult
}
rank tinystories-656k-f32.gguf >gguf
rank tinystories-656k-hf | cmp gguf -
# Where a text would never end, that is told before anything is trained.
mkdir endless
for file in tinystories-656k-hf/*; do
	if [[ $file == *.json ]]; then
		jq 'del(.eos_token, .eos_token_id)' "$file" >endless/"${file##*/}"
	else
		ln -s "$PWD/$file" endless
	fi
done
for task in next-item favorite; do
	words='no end token' usage ul-finetune --llm endless --inject none --tune full --task $task --steps 0 -o out data.ult
done
words='no end token' usage ul-finetune --llm endless --inject none --tune full --query Who? --target '{user}' --steps 0 -o out data.ult
