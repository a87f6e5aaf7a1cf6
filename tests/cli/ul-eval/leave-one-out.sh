# Targets, what was seen, and every metric, once more from the raw ratings by a program of its own.
if ! command -v python3 >/dev/null; then
	echo "there is no python3" >&2
	exit 77
fi
need ul-prep ul-pretrain ul-gen
# Users of every length from 1, in the order of nothing, and with many ties in time.
awk -F, -v OFS=, 'NR > 1 && $1 <= 200 && ++seen[$1] <= 1 + $1 % 40 { $4 = int($4 / 400000); print $0, NR * 7919 % 10007 }' \
	"$TESTDATA/events.csv" | sort -t, -n -k5,5 | cut -d, -f1-4 | sed '1i user,item,rating,time' >ratings.csv
prep -o data.ult ratings.csv
ul-pretrain -q --dim 16 --layers 1 --heads 1 --steps 30 --lr 0.005 -o encoder.ult data.ult
check() {
	local k=$1 split=$2
	shift 2
	ul-gen -q "$@" --rank "$k" --split "$split" -o answers data.ult
	ul-eval -q --format json --k 1,3,10,20 -o metrics answers
	python3 "$ROOT/tests/independent/leave_one_out.py" --split "$split" ratings.csv answers metrics
}
for split in test val; do
	check 20 $split -m encoder.ult
	check 20 $split --baseline co-occurrence
done
# Whole lists tell the MRR, too.
check 1000 test -m encoder.ult >said
grep -q '^mrr 0[.][0-9]* by rank and items$' said
check 5 test -m encoder.ult >said
grep -q '^ndcg@10 0[.][0-9]* by rank alone$' said

# It can fail: a target, a rank, an item, a user, a digit that is not right.
wrong() {
	expect 1 python3 "$ROOT/tests/independent/leave_one_out.py" ratings.csv "$@" 2>err >out
	grep -q '^FAILED' err
}
check 20 test -m encoder.ult
sed '7s/"target": "[0-9]*"/"target": "1"/' answers >bad && wrong bad metrics
sed '7s/"rank": [0-9]*/"rank": 9999/; 8s/"rank": [0-9]*/"rank": 9999/' answers >bad && wrong bad metrics
sed 7d answers >bad && wrong bad metrics
ul-gen -q -m encoder.ult --rank 20 --keep-seen -o bad data.ult && wrong bad metrics
sed 's/\("hr@10": 0[.][0-9]\)[0-9]/\19/' metrics >bad
cmp -s bad metrics || wrong answers bad
sed 's/"mrr": 0[.]/"mrr": 0.0/' metrics >bad && wrong answers bad
# Ratings in another order of time have other targets.
sed 's/,\([0-9]*\)$/,-\1/' ratings.csv >turned
! python3 "$ROOT/tests/independent/leave_one_out.py" turned answers metrics 2>err
