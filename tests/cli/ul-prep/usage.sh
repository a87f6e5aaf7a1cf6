# What cannot be: exit 2, one line that says what to do, no output.
# wrong PATTERN OPTION...
wrong() {
	local pattern=$1
	shift
	expect 2 ul-prep -o out "$@" 2>err
	grep -q "^ul-prep: .*$pattern" err || { cat err >&2; exit 1; }
	[[ $(wc -l <err) == 1 && ! -e out ]]
}
e=$TESTDATA/events.csv i=$TESTDATA/items.csv
wrong "no column 'who' for --user; there are user, item, rating, time" --user who "$e"
wrong "no column 'when' for --time" --time when "$e"
wrong "no column 'x' for --feature f" --feature f=x "$e"
wrong "no column 'x' for --text f; there are item, title, genres" --items "$i" --text f=x "$e"
wrong 'without a header they are 1 to 4' --no-header --user 5 --item 2 "$e"
wrong "'a b' is no name" --feature 'a b=rating' "$e"
wrong "'user' is no name" --text 'user=rating' "$e"
wrong 'NAME=COLUMN' --feature rating "$e"
wrong "two features or texts with the name 'a'" --feature a=rating --text a=user "$e"
wrong 'no user of [0-9]* stays' --min-events 1000000 "$e"
printf 'row,film,title\n1,1001,A\n' >other.csv
wrong "other.csv: column 'row' has none of the .* items .*--item-key" --items other.csv --text t=title "$e"
ul-prep -q --items other.csv --item-key film --text t=title -o joined "$e"
wrong 'standard input can be read only once' --items - -
wrong 'where is movies.dat' --preset ml-1m -
wrong 'preset is one of ml-1m|ml-20m|amazon|google-local' --preset netflix "$e"
wrong "no column 'x' for --feature f; there are user" --feature f=events.x --items "$i" "$e"
wrong "no column 'when:ms|x' for --time" --time 'when:ms|x' "$e"
words='--item-key goes with an item table' usage ul-prep --item-key film "$TESTDATA/events.csv"
words='--window goes with --split window' usage ul-prep --window 9 "$TESTDATA/events.csv"
words='tabs are' usage ul-prep --format '\t' -o out "$TESTDATA/events.csv"
