# Interrupted and resumed: the same bytes as in one go, with other threads, for both architectures.
small data.ult
# The last checkpoint of a run, which is before its last step, and what comes of going on from it.
try() {
	rm -f whole saved again saved.checkpoint
	ul-pretrain -q -T1 "$@" -o whole data.ult
	ul-pretrain -q -T2 "$@" --checkpoint-every 1e-6 -o saved data.ult
	cmp whole saved
	[[ -s saved.checkpoint ]]
	ul-cat -q --check saved.checkpoint
	ul-pretrain -q -T2 --resume saved.checkpoint -o again data.ult
	cmp whole again
	# Options may also be told again.
	ul-pretrain -q -T1 "$@" --resume saved.checkpoint -o again data.ult
	cmp whole again
}
try --dim 16 --layers 1 --heads 2 --batch 40 --lr 0.02 --evaluate-every 7 --steps 40
try --dim 16 --layers 1 --heads 2 --batch 20 --lr 0.02 --epochs 5 --dropout 0.4 --ema 0.9 --seed 3 --keep-seen
# Tables by rows.
try --arch dual --dim 16 --layers 1 --heads 2 --batch 40 --lr 0.02 --negatives 50 --ema 0.9 --steps 30
try --arch lm --dim 16 --layers 1 --heads 2 --vocab 300 --steps 30 --holdout 0.1 --query "What's next?"
# Averages are others than the last weights.
ul-pretrain -q --dim 8 --heads 1 --steps 20 -o plain data.ult
ul-pretrain -q --dim 8 --heads 1 --steps 20 --ema 0.9 -o average data.ult
numbers plain >a
expect 1 cmp -s a <(numbers average)
# From other names and through a pipe: what counts is what is in it.
cp saved.checkpoint elsewhere
ul-pretrain -q --resume <(cat elsewhere) --checkpoint mine --checkpoint-every 1e-6 -o piped <data.ult
cmp whole piped
