# New events on a state give what the whole histories give, however they are cut; users longer than the window too.
columns='--feature rating=rating --feature tags=tags:|'
# shellcheck disable=SC2086
prep_tags() { ul-prep -q $columns --items "$TESTDATA/items.csv" --feature 'genres=genres:|' "$@"; }
# Tags: none, one or two of five.  Each user's events go to four parts, cut by chance; some miss a part.
awk -F, -v OFS=, 'BEGIN { srand(3) }
	NR == 1 { print $0, "tags"; next }
	$1 > 120 { exit }
	{ n = NR % 3; print $0, n == 0 ? "" : n == 1 ? "t" NR % 5 : "t" NR % 5 "|t" (NR + 2) % 5 }' \
	"$TESTDATA/events.csv" >all.csv
awk -F, 'BEGIN { srand(3) }
	NR == 1 { for (k = 1; k <= 4; k++) print >("part" k ".csv"); next }
	!($1 in part) { part[$1] = 1 + int(rand() * 3) }
	{ if (rand() < 0.08 && part[$1] < 4) part[$1]++; print >("part" part[$1] ".csv") }' all.csv
prep_tags -o all.ult all.csv
ul-pretrain -q --dim 16 --layers 2 --heads 2 --max-len 24 --steps 20 --batch 16 --lr 0.005 -o encoder.ult all.ult

# close ONE OTHER: the same users and numbers, to 1e-5.
close() {
	[[ $(wc -l <"$1") -gt 10 && $(wc -l <"$1") == $(wc -l <"$2") ]]
	paste -d, "$1" "$2" | awk -F, 'NR == 1 { n = NF / 2; next }
		{ for (i = 1; i <= n; i++) { d = $i - $(i + n); if (d * d > 1e-10) { print > "/dev/stderr"; exit wrong = 1 } } }
		END { exit wrong }'
}
ways=(last/keys mean/keys none/keys last/none mean/none none/none)
for way in "${ways[@]}"; do
	pool=${way%/*} cache=${way#*/}
	head -n 1 all.csv >so-far.csv
	rm -f state
	for k in 1 2 3 4; do
		prep_tags -o part.ult part$k.csv
		[[ ! -e state ]] || cp state before."$cache"
		ul-embed -q -m encoder.ult --state state --pool "$pool" --cache "$cache" --format csv -o new part.ult
		ul-cat -q --check state
		sed 1d part$k.csv >>so-far.csv
		prep_tags -o so-far.ult so-far.csv
		ul-embed -q -m encoder.ult --pool "$pool" --format csv so-far.ult >whole
		sed 1d part$k.csv | cut -d, -f1 | sort -u >users
		# In the order of the new events; the whole has other users, in its own order.
		awk -F, 'FNR == NR { wanted[$1]; next } FNR == 1 || $1 in wanted' users whole >expected
		sort -s -t, -k1,1 new >new.sorted
		sort -s -t, -k1,1 expected >expected.sorted
		close new.sorted expected.sorted
		cut -d, -f1 new | sed 1d | uniq | cmp - <(sed 1d part$k.csv | cut -d, -f1 | awk '!seen[$0]++')
	done
done
[[ $(awk -F, 'NR > 1 && ++n[$1] == 30' all.csv | wc -l) -gt 20 ]] # longer than the window

# The same bytes for any number of threads, from a file or a pipe.
mkdir again
cp encoder.ult again
for cache in none keys; do
	for threads in 1 3; do
		cp before.$cache again/state
		(cd again && ul-embed -q -m encoder.ult --state state --cache $cache --pool none --format csv -T$threads <../part.ult) |
			cmp - new
		cp again/state $threads.state
	done
	cmp 1.state 3.state
done
# A state can change from one way to the other, with what it has of either.
for cache in none:keys keys:none; do
	cp before.${cache%:*} other
	ul-embed -q -m encoder.ult --state other --cache ${cache#*:} --pool last --format csv -o last part.ult
	ul-cat -q --check other
	head -n 1 last >rows
	sed 1d new | awk -F, -v OFS=, '$1 != id { if (NR > 1) print row } { id = $1; $2 = ""; row = $0 } END { print row }' |
		sed 's/,,/,/' >>rows
	close last rows
done
# Formats and dtypes are those of any run.
cp before.keys other
ul-embed -q -m encoder.ult --state other --pool last --dtype i8 part.ult | ul-cat -q --to jsonl >lines
[[ $(wc -l <lines) == $(wc -l <users) ]]
# It is a stream like others: read by a program that shares nothing with the tools.
! command -v python3 >/dev/null || python3 "$ROOT/tests/independent/read_stream.py" --quiet state >read

# Another encoder, another precision, another kind of file, a cut: refused, and everything as it was.
ul-pretrain -q --dim 16 --layers 2 --heads 2 --max-len 24 --steps 1 -o other.ult all.ult
sum=$(cksum <state)
words='another encoder' usage ul-embed -q -m other.ult --state state -o out part.ult
words='goes with --state' usage ul-embed -q -m encoder.ult --cache keys -o out part.ult
words='no --state' usage ul-embed -q -m encoder.ult --state state --shard 1/2 -o out part.ult
words='no --state' usage ul-embed -q -m encoder.ult --state state --items -o out
words='both' usage ul-embed -q -m encoder.ult --state out -o out part.ult
words='replaced' usage ul-embed -q -m encoder.ult --state - -o out part.ult
words='cannot be both' usage ul-embed -q -m encoder.ult --state state -o ./state part.ult
expect 3 ul-embed -q -m encoder.ult --state all.ult -o out part.ult 2>err
grep -q "kind 'dataset'" err
: >empty
expect 3 ul-embed -q -m encoder.ult --state empty -o out part.ult 2>err
size=$(wc -c <state)
for cut in 9 100 $((size / 2)) $((size - 9)); do
	head -c "$cut" state >cut.state
	before=$(cksum <cut.state)
	expect 3 ul-embed -q -m encoder.ult --state cut.state -o out part.ult 2>err
	[[ $(wc -l <err) == 1 && $(cksum <cut.state) == "$before" ]]
done
# Where the rows cannot be written the state stays as it was: the same events can come again.
expect 1 ul-embed -q -m encoder.ult --state state part.ult >/dev/full 2>err
expect 3 ul-embed -q -m encoder.ult --state state -o out <(head -c 2000 part.ult) 2>err
[[ $(cksum <state) == "$sum" && ! -e out && -z $(ls | grep tmp) ]]

# A link to a state that is gone is no new beginning.
ln -s nowhere gone
expect 1 ul-embed -q -m encoder.ult --state gone -o out part.ult 2>err
grep -q gone err
[[ -L gone && ! -e out ]]

# New events of items that the encoder has never seen are events, too.
printf '%s\nnobody,unheard,3,1,t1\n' "$(head -n 1 all.csv)" | ul-prep -q --feature rating=rating --feature 'tags=tags:|' \
	--feature 'genres=tags:|' | ul-embed -m encoder.ult --state state --pool last --format csv -o new 2>err
grep -q 'item: 1 of 1 values are unknown' err
grep -q '1 user with new events, 1 of them new' err
grep -q '^nobody,' new
