# A pipe or a file, in or out: the same model.
small data.ult
train() {
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 "$@"
}
train -o file.ult data.ult
train data.ult >stdout.ult
cmp file.ult stdout.ult
train -o stdin.ult <data.ult
train - <data.ult | numbers - | cmp - <(numbers stdin.ult)
zstd -dcq <data.ult >data.safetensors
train -o plain.ult data.safetensors
# The records name the input; the weights are the same.
for model in file stdin plain; do
	ul-embed -q -m $model.ult --format csv --pool last data.ult >$model.csv
	ul-cat --list $model.ult | grep -q 'ul.kind *encoder'
done
cmp file.csv stdin.csv
cmp file.csv plain.csv
