# What -o does to a file that is there: it is no input, and keeps its permissions, and its links.
need ul-prep ul-eval
cp "$TESTDATA/events.csv" "$TESTDATA/items.csv" .
cp "$CASES/ul-eval/good.jsonl" .
ln -s events.csv link
ln events.csv hard
sum=$(cat events.csv items.csv good.jsonl | cksum)
words='is an input, too'
for output in events.csv ./events.csv link hard; do
	usage ul-prep -o "$output" events.csv
done
usage ul-prep -o items.csv --items items.csv events.csv
usage ul-eval -o good.jsonl good.jsonl
usage ul-eval -o good.jsonl --baseline good.jsonl "$CASES/ul-eval/good.jsonl"
status=0
ul-prep -o events.csv <events.csv 2>err || status=$?
[[ $status == 2 ]] && grep -q "$words" err
[[ $(cat events.csv items.csv good.jsonl | cksum) == "$sum" ]]

# mode FILE: its permissions, as ls has them
mode() {
	local words
	words=$(ls -lL "$1")
	echo "${words:0:10}"
}
umask 022
for mode in 600 660 644; do
	: >data.ult
	chmod "$mode" data.ult
	before=$(mode data.ult)
	ul-prep -q -o data.ult events.csv
	[[ -s data.ult && $(mode data.ult) == "$before" ]] || { echo "$before: $(mode data.ult)" >&2; exit 1; }
done

mkdir behind
echo old >behind/data.ult
ln -s behind/data.ult there
ul-prep -q -o there events.csv
[[ -L there && $(readlink there) == behind/data.ult ]]
cmp behind/data.ult data.ult
