# What a model is trained on: each way trains, alike by any number of threads, and unlike the others.
small data.ult
train() {
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --max-len 12 --epochs 2 --evaluate-every 50 "$@" data.ult
}
for way in '--sequences cut' '--sequences last' '--sequences sliding' '--sequences sliding --stride 3' \
	'--recency 5' '--mask-rate 0.3' '--recency 5 --sequences sliding --mask-rate 0.1' '--ffn gelu' \
	'--features rating' '--features none' \
	'--arch bert4rec --sequences last' '--arch bert4rec --sequences sliding'; do
	for threads in 1 3; do
		# shellcheck disable=SC2086
		train $way -T$threads -o "$threads.ult"
	done
	cmp 1.ult 3.ult
	numbers 1.ult | cksum >>sums
done
sort -u sums | wc -l | grep -qx 12
# The default is to cut, to read all the features, and to mask nothing.
train -o default.ult
train --sequences cut --recency 0 --mask-rate 0 --features genres,rating --ffn swiglu -o told.ult
numbers default.ult >default
numbers told.ult | cmp - default
# Half of an odd --max-len is rounded up.
train --max-len 5 --sequences sliding -o half.ult
train --max-len 5 --sequences sliding --stride 3 -o three.ult
numbers half.ult >half
numbers three.ult | cmp - half
