# What does not fit a checkpoint is refused, in a line that names it.
small data.ult lm.gguf encoder.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 9 --checkpoint-every 1e-6 --checkpoint saved -o whole data.ult
resume() {
	ul-pretrain -q --resume saved -o new "$@"
}
words='--dim was 8' usage resume --dim 16 data.ult
words='--lr was 0.003' usage resume --lr 0.1 data.ult
words='--epochs' usage resume --epochs 5 data.ult
words='--minutes was not given' usage resume --minutes 5 data.ult
words='--keep-seen was not given' usage resume --keep-seen data.ult
words='--seed was 1' usage resume --seed 2 data.ult
words='--ema was 0' usage resume --ema 0.5 data.ult
words='--arch was ar' usage resume --arch lm data.ult
words='--vocab' usage resume --vocab 300 data.ult
words=lost usage ul-pretrain -q --resume saved -o saved data.ult
words=lost usage ul-pretrain -q --resume saved --checkpoint data.ult -o new data.ult
head -n 1500 "$TESTDATA/events.csv" | prep -o other.ult
words='saved: what is in other.ult is not what was in .*data.ult' usage resume other.ult
words='is of ul-pretrain' usage ul-finetune -q --llm lm.gguf -m encoder.ult --resume saved -o new data.ult
# Damaged, cut off, of another kind.
refused() {
	expect 3 ul-pretrain -q --resume "$1" -o new data.ult 2>err
	[[ $(wc -l <err) == 1 ]]
}
head -c -1 saved >cut
head -c 3000 saved >half
size=$(stat -c %s saved)
for file in encoder.ult data.ult lm.gguf cut half /dev/null; do
	refused $file
done
for place in 100 $((size / 2)) $((size - 9)); do
	cp saved flipped
	printf '\x5a' | dd of=flipped bs=1 seek=$place conv=notrunc status=none
	cmp -s saved flipped || refused flipped
done
expect 1 ul-pretrain -q --resume missing -o new data.ult 2>err
grep -q missing err
# A checkpoint is no encoder.
expect 3 ul-embed -q -m saved --format csv data.ult >rows 2>err
grep -q "'checkpoint'" err
[[ ! -e new ]]
# Where there is no room for a checkpoint on the way, training goes on.
mkdir -p full.checkpoint
ul-pretrain --dim 8 --layers 1 --heads 1 --steps 9 --checkpoint-every 1e-6 -o full data.ult 2>err
grep -q 'going on without' err
cmp <(numbers full) <(numbers whole)
