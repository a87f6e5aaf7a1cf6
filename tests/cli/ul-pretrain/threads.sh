# The same seed gives the same bytes, whatever the threads; another seed others.  Both architectures.
small data.ult
train() {
	ul-pretrain -q --dim 16 --layers 1 --heads 2 --steps 6 --batch 40 --evaluate-every 3 "$@" data.ult
}
for arch in 'ar --dropout 0.3' 'lm --vocab 300 --holdout 0.1'; do
	# shellcheck disable=SC2086
	for run in -T1 -T2 -T3 '--seed 1' '--seed 2'; do
		train --arch $arch $run -o "model$run"
	done
	cmp model-T1 model-T2
	cmp model-T1 model-T3
	[[ $arch == lm* ]] && numbers=cat || numbers=numbers
	for seed in 1 2; do
		$numbers "model--seed $seed" >$seed
	done
	$numbers model-T1 | cmp - 1
	expect 1 cmp -s 1 2
done
