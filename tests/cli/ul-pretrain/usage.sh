small data.ult
words=--arch usage ul-pretrain --arch gpt -o out data.ult
words=--dim usage ul-pretrain --dim 1 -o out data.ult
words=heads usage ul-pretrain -q --dim 10 --heads 3 -o out data.ult
words=heads usage ul-pretrain -q --arch lm --dim 10 --heads 3 -o out data.ult
words=heads usage ul-pretrain -q --arch lm --dim 32 --heads 4 --kv-heads 3 -o out data.ult
words=--dropout usage ul-pretrain --dropout 1 -o out data.ult
words=--steps usage ul-pretrain --steps -1 -o out data.ult
words=--lr usage ul-pretrain --lr 0 -o out data.ult
words=--minutes usage ul-pretrain --minutes 0 -o out data.ult
words=log usage ul-pretrain --log out -o out data.ult
words='one budget' usage ul-pretrain --steps 1 --epochs 1 -o out data.ult
words=other usage ul-pretrain -o out data.ult other
# Data that nothing can be learnt of.
printf 'user,item\n1,2\n' | ul-prep -q -o one.ult
expect 3 ul-pretrain -q --dim 8 --heads 1 --steps 1 -o out one.ult 2>err
[[ $(wc -l <err) == 1 && ! -e out ]]
# Training that diverges is a failure, and leaves the best weights before, if there has been an evaluation.
diverge() {
	expect 1 ul-pretrain -q --dim 8 --layers 1 --heads 1 --lr 10 --weight-decay 10 --steps 300 "$@" -o out data.ult 2>err
	[[ $(wc -l <err) == 1 ]]
	grep -q diverged err
}
diverge --evaluate-every 300
[[ ! -e out ]]
expect 1 grep -q written err
diverge --evaluate-every 1
grep -q 'written are the best' err
ul-embed -q -m out --pool last --format csv data.ult >rows
expect 1 grep -q nan rows
words=--ema usage ul-pretrain --ema 1 -o out data.ult
words=--checkpoint usage ul-pretrain --checkpoint - -o out data.ult
words=lost usage ul-pretrain --checkpoint data.ult -o out data.ult
words=checkpoint usage ul-pretrain --checkpoint new -o new data.ult
words='--checkpoint FILE' usage ul-pretrain --checkpoint-every 1 -o /dev/null data.ult
# What means nothing where it is given.
words='--arch ar' usage ul-pretrain --arch bert4rec --recency 5 -o out data.ult
words='--arch ar' usage ul-pretrain --arch lm --recency 5 -o out data.ult
words='--sequences sliding' usage ul-pretrain --stride 5 -o out data.ult
words='--sequences sliding' usage ul-pretrain --sequences last --stride 5 -o out data.ult
words='at most --max-len, 12' usage ul-pretrain --max-len 12 --sequences sliding --stride 13 -o out data.ult
for option in --mask-rate=0.1 --sequences=last --features=all --ffn=gelu; do
	words="${option%=*} goes with --arch ar, dual or bert4rec" usage ul-pretrain --arch lm $option -o out data.ult
done
words=--sequences usage ul-pretrain --sequences first -o out data.ult
words=--ffn usage ul-pretrain --ffn relu -o out data.ult
words='--layers of a language model' usage ul-pretrain --arch lm --layers 0 -o out data.ult
