# Some batches of rows, of all kinds: the bytes are the same for any number of threads, from a
# file as from a pipe; a bad row deep inside names its line.
# rows END-OF-LINE LAST: by user, 40 rows each
rows() {
	printf 'user,item,rating,time%b' "$1"
	awk -v end="$1" -v last="$2" 'BEGIN {
		for (i = 0; i < 250000; i++)
			printf "%d,i%d,%.1f,%d%s", i / 40 + 1, i * 7919 % 30011, i % 10 / 2 + 0.5,
				1000000000 + i * 48271 % 65521, i == 249999 ? last : end
	}'
}
rows '\n' '\n' >rows.csv
for kind in plain crlf open quoted; do
	case $kind in
	plain) cp rows.csv in.csv ;;
	crlf) rows '\r\n' '\r\n' >in.csv ;;
	open) rows '\n' '' >in.csv ;;
	quoted) sed '5,200000s/,i100\([0-9]*\),/,"i100\1",/' rows.csv >in.csv ;;
	esac
	ul-prep -q -T 1 --feature rating=rating -o "$kind-1.ult" in.csv
	ul-prep -q -T 2 --feature rating=rating -o "$kind-2.ult" in.csv
	cmp "$kind-1.ult" "$kind-2.ult"
	for threads in 1 2; do
		cat in.csv | ul-prep -q -T $threads --feature rating=rating >"pipe-$threads.ult"
	done
	cmp pipe-1.ult pipe-2.ult
	# Only the names of the inputs may differ.
	for tensor in item time rating.values; do
		ul-cat --to npy --tensor event.$tensor pipe-1.ult >pipe.npy
		ul-cat --to npy --tensor event.$tensor "$kind-1.ult" | cmp - pipe.npy
	done
	ul-cat --to npy --tensor event.item "$kind-1.ult" >"$kind.npy"
	cmp plain.npy "$kind.npy"
done
# As it is with rows that were looked at one by one.
ul-prep -q --sorted --feature rating=rating -o x <(sort -s -t, -k1,1n -k4,4n rows.csv | grep -v user |
	sed '1iuser,item,rating,time')
for tensor in item time rating.values; do
	ul-cat --to npy --tensor event.$tensor x >sorted.npy
	ul-cat --to npy --tensor event.$tensor plain-1.ult | cmp - sorted.npy
done

sed '200001s/,[^,]*$/,soon/; 240001s/,[^,]*$//' rows.csv >bad.csv
for threads in 1 2; do
	expect 3 ul-prep -T $threads --feature rating=rating -o out bad.csv 2>err
	grep -q '^ul-prep: bad.csv: line 200001: a time that is no time' err
	ul-prep -T $threads --skip-bad --feature rating=rating -o out bad.csv 2>err
	grep -q 'read 249998 events' err
	grep -q 'skipped 1 bad rows: wrong number of columns' err
	rm out
done
# Many of them: what stays is what it would be without them.
awk 'NR > 1 && NR % 997 == 0 { sub(/,[^,]*$/, ",soon") } 1' rows.csv >bad.csv
awk 'NR == 1 || NR % 997' rows.csv >without.csv
ul-prep -q --skip-bad --feature rating=rating -o bad.ult bad.csv
ul-prep -q --feature rating=rating -o without.ult without.csv
same() {
	for tensor in vocab.item.bytes user.bytes event.offsets event.item event.time event.rating.values; do
		ul-cat --to npy --tensor $tensor "$1" >one.npy
		ul-cat --to npy --tensor $tensor "$2" | cmp - one.npy
	done
}
same bad.ult without.ult
# In two files, of which the second has its columns in another order.
head -n 100001 without.csv >first.csv
awk -F, 'NR == 1 || NR > 100001 { print $4 "," $2 "," $1 "," $3 }' without.csv >second.csv
for threads in 1 2; do
	ul-prep -q -T $threads --feature rating=rating -o two.ult first.csv second.csv
	same two.ult without.ult
done
expect 3 ul-prep --sorted -o out rows.csv 2>err
grep -q 'line [0-9]*: an earlier time' err
