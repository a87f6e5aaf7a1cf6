# A bad row is exit 3, with file and line, and no output; --skip-bad counts it.
# bad LINE-NUMBER REASON ROWS: the header stands on line 1.
bad() {
	printf 'user,item,rating,time\n%b' "$3" >rows.csv
	expect 3 prep -o out rows.csv 2>err
	grep -q "^ul-prep: rows.csv: line $1: .*$2.*--skip-bad" err || { cat err >&2; exit 1; }
	[[ $(wc -l <err) == 1 && ! -e out ]]
	ul-prep --skip-bad --feature rating=rating -o out rows.csv 2>err
	grep -q 'read 1 events' err
	grep -q "skipped 1 bad rows: .*$2" err || { cat err >&2; exit 1; }
	rm out
}
bad 3 'columns' 'u,a,4,1\nu,b,4\n'
bad 2 'no number' 'u,b,good,1\nu,a,4,1\n'
bad 2 'broken UTF-8' 'u,b\0377,4,1\nu,a,4,1\n'
bad 3 NUL 'u,a,4,1\nu,b\0000,4,1\n'
bad 2 quote 'u,"b,4,1\nu,a,4,1\n'
bad 2 'no time' 'u,b,4,soon\nu,a,4,1\n'
bad 2 'no item' 'u,,4,1\nu,a,4,1\n'
# The message shows the field.
printf 'user,item,rating,time\nu,a,4 stars,1\nu,b,3,01/02/2013\n' >rows.csv
expect 3 ul-prep -o out rows.csv 2>err
grep -qF "line 3: a time that is no time: '01/02/2013' (seconds, or YYYY-MM-DD[ HH:MM[:SS][Z|+HH[:MM]]])" err
expect 3 prep -o out rows.csv 2>err
grep -qF "line 2: a rating that is no number: '4 stars' (a decimal number)" err

# In an item table, too.
printf 'item,title\n1001,A\n1002\n' >items.csv
expect 3 ul-prep --items items.csv --text title=title -o out "$TESTDATA/events.csv" 2>err
grep -q '^ul-prep: items.csv: line 3: 1 columns where the others have 2' err
# A header that cannot be read is none to leave out: the row behind it would be taken for it.
printf 'user,item,pr\xe9nom\nu,a,x\nv,b,y\n' >head.csv
expect 3 ul-prep --skip-bad -o out head.csv 2>err
grep -q 'head.csv: line 1: broken UTF-8 .*the header' err
ul-prep -q --encoding latin-1 -o latin head.csv
# Latin-1 in objects, keys among them.
printf '{"user":"a","item":"caf\xe9","pr\xe9nom":"x"}\n' >latin.jsonl
ul-prep -q --format jsonl --encoding latin-1 --feature 'first=prénom' -o latin latin.jsonl
ul-cat --to npy --tensor vocab.item.bytes latin | tail -c 5 | cmp - <(printf 'café')
