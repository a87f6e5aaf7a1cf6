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
# A table with a header has its key by name, or first, whatever number the item has in rows without one.
printf '1::10::5::100\n' >rows.dat
printf '1::x::x::x::x::x::10::100\n' >wide.dat
printf 'id,title\n10,Ten\n' >items.csv
table=(--format :: --items-format csv --items items.csv --text title=items.title --user 1)
ul-prep -q "${table[@]}" --item 2 --time 4 -o near.ult rows.dat
ul-prep -q "${table[@]}" --item 7 --time 8 -o far.ult wide.dat
[[ $(ul-cat --to safetensors --tensor item.title.bytes near.ult | tail -c 3) == Ten ]]
[[ $(ul-cat --to safetensors --tensor item.title.bytes far.ult | tail -c 3) == Ten ]]
# Lines that end as none do.
printf 'user,item\ra,1\rb,2\r' >returns.csv
expect 3 ul-prep -o out returns.csv 2>err
grep -q 'line 1: a carriage return inside a line' err
# Many keys, one object.
seq -f '"k%.0f": 1' 1 50000 | paste -sd, | sed 's/^/{"user": "a", "item": "b", /; s/$/}/' >keys.jsonl
timeout 3 ul-prep -q -o keys.ult keys.jsonl
# The same time, however JSON spells it.
printf '{"user": "a", "item": "b", "time": 1500000000000000000}\n' >whole.jsonl
printf '{"user": "a", "item": "b", "time": 1.5e18}\n' >real.jsonl
ul-prep -q --time time:ms -o whole.ult whole.jsonl
ul-prep -q --time time:ms -o real.ult real.jsonl
cmp <(ul-cat --to npy --tensor event.time whole.ult 2>err) <(ul-cat --to npy --tensor event.time real.ult) && [[ ! -s err ]]
# Where several columns of the table could be the key, the one with the interactions' name is.
printf 'user,movieId,time\na,1,1\na,2,2\nb,2,1\nb,1,2\n' >by-name.csv
printf 'item,movieId,title\n1,2,Two\n2,1,One\n' >numbered.csv
ul-prep --items numbered.csv --text title=items.title -o joined.ult by-name.csv 2>err
[[ $(ul-cat --to npy --tensor item.title.bytes joined.ult | tail -c 6) == OneTwo ]]
grep -q 'item table: 2 rows by movieId, ' err
