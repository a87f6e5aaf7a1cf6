# Which columns were taken is said, as the files name them.
# columns WORDS FILE [OPTION]...
columns() {
	ul-prep "${@:3}" -o out.ult "$2" 2>err
	grep -qxF "ul-prep: columns: $1" err || { cat err >&2; exit 1; }
}
none='none: the order of the rows is time'
printf 'date,who,user_id,item\n5,x,u,a\n' >dated.csv
printf '{"item":"a","user":"u"}\n' >rows.jsonl
printf 'u\ta\n' >bare.tsv
columns 'user=user item=item time=time' "$TESTDATA/events.csv"
columns 'user=user_id item=item time=date' dated.csv
columns 'user=who item=item time=date' dated.csv --user who
columns "user=user item=item time=$none" rows.jsonl
columns "user=1 item=2 time=$none" bare.tsv --no-header --user 1 --item 2
ul-prep -q -o out.ult dated.csv 2>err
[[ ! -s err ]]
# A feature whose first list comes late: rows without a value have an empty list, not one of what is unknown.
printf '{"user": "a", "item": "%s", "tag": %s}\n' x null y '"p"' z '["q", "p"]' |
	ul-prep -q --format jsonl --feature tag=tag -o tags.ult
ul-cat --list tags.ult >list
grep -q 'event.tag.offsets *\[4\]' list
grep -q 'event.tag.values *\[3\]' list
# Milliseconds that are taken for seconds are told.
printf 'user,item,time\na,x,1600000000123\na,y,1600000000456\n' >ms.csv
ul-prep -o ms.ult ms.csv 2>err
grep -q '1 users have events after the year 5138: .*COL:ms' err
ul-prep --time time:ms -o ms.ult ms.csv 2>err
expect 1 grep -q 5138 err
