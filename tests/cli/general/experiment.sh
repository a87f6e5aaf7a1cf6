# An experiment's road from its lines to its table, with a set that takes a second; what has been run is not run again.
for needed in jq /usr/bin/time; do
	command -v $needed >/dev/null || { echo "there is no $needed" >&2; exit 77; }
done
need ul-prep ul-pretrain ul-gen ul-eval
mkdir build
ln -s "$BUILD/bin" build/bin
cat >toy.data <<'END'
head -n 2001 "$DATA/events.csv" | ul-prep -q --feature rating=rating
END
cat >toy.runs <<'END'
#: # A toy
#: in two lines
#seeds: 1
# A comment.
base	--dim 8 --layers 1 --heads 1 --steps 20 --features none
more of it	+ --features all
counts	baseline:most-popular
= A paper	- 0.3 0.1234	of 1999
= Another	0.1 0.4 0.25	with query time
END
experiment() {
	DATA=$TESTDATA BUILD=build "$ROOT/experiments/run.sh" ./toy
}
experiment >told
cmp told toy.md
[[ $(head -n 2 toy.md) == $'# A toy\nin two lines' ]]
grep '^|' toy.md >rows
[[ $(wc -l <rows) == 7 ]]
number='[0-9]*\.[0-9][0-9]*'
# A row for each: name, what it is, league, three metrics, cost, and the differences to the first.
row() {
	grep -qx "| $1 |" rows || { echo "no row $1" >&2; cat toy.md >&2; exit 1; }
}
row "base | .--dim 8 --layers 1 --heads 1 --steps 20 --features none. | without query time | $number | $number | $number | $number | [0-9]* | 1 | +0.0000 | 1.00"
row "more of it | .+ --features all. | without query time | $number | $number | $number | $number | [0-9]* | 1 | [+-]$number | $number"
row "counts | .ul-gen --baseline most-popular. | without query time | $number | $number | $number | – | – | – | [+-]$number | –"
row "A paper | of 1999 | without query time | – | 0.3000 | 0.1234 | – | – | – | – | –"
row "Another | with query time | with query time | 0.1000 | 0.4000 | 0.2500 | – | – | – | – | –"
# The numbers are those of the tools.
ul-gen -q --baseline most-popular --rank 10 build/experiments/toy/data.ult | ul-eval -q --k 10 --format json |
	jq -r '.[0]["ndcg@10"] * 10000 | round' >ndcg
grep -q "^| counts .* 0\.0*$(cat ndcg) | – |" rows
# Again, with a seed more: only that is run.
touch before
SEEDS='1 2' experiment >told
[[ $(find build/experiments/toy -newer before -name '*.result' | wc -l) == 2 ]]
grep -q '^| base .* (0\.[0-9]*–0\.[0-9]*) .* | 2 | ' toy.md
# A set that is not there, and a system that fails, say so.
expect 1 env DATA="$TESTDATA" BUILD=build "$ROOT/experiments/run.sh" ./other >out 2>err
[[ ! -s out ]]
grep -q 'there is no .*/other\.runs' err
printf 'bad\t--dim 1\n' >toy.runs
expect 2 experiment >out 2>err
grep -q 'ul-pretrain: .*--dim' err
