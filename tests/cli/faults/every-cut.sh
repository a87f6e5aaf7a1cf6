# Of a small stream, every cut: ul-cat --check refuses it.
need ul-cat
head -n 5 "$TESTDATA/events.csv" | ul-prep -q -o data.ult
ul-cat -q --check data.ult
size=$(wc -c <data.ult)
for ((cut = 0; cut < size; cut++)); do
	expect 3 ul-cat -q --check <(head -c "$cut" data.ult) 2>/dev/null
done
