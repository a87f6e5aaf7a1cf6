#!/usr/bin/env bash
# Does bf16 cost quality?  An encoder on MovieLens-1M's items, three seeds in each precision, HR@10 and NDCG@10 of the
# test part:
#
#     make bench WORKS=gemm; tests/bench/precision.sh [EPOCHS]
#
# (make bench lays the data out in build/bench.)
set -eu -o pipefail
cd "$(dirname "$0")/../.."
bin=${BUILD:-build}/bin room=${BUILD:-build}/bench
for precision in f32 bf16; do
	for seed in 1 2 3; do
		"$bin/ul-pretrain" -q --epochs "${1:-10}" --precision $precision --seed $seed \
			-o "$room/$precision.$seed.ult" "$room/items.ult"
		printf '%s\tseed %d\t' $precision $seed
		"$bin/ul-gen" -q -m "$room/$precision.$seed.ult" --rank 10 "$room/items.ult" |
			"$bin/ul-eval" -q --k 10 --format json
	done
done
