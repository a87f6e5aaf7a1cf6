# A pipe that gives a few bytes at a time changes nothing.
small data.ult encoder.ult lm.gguf
head -n 301 "$TESTDATA/events.csv" >some.csv
dd if=some.csv bs=5 status=none | prep -o short.ult
prep -o whole.ult <some.csv
cmp short.ult whole.ult
for tool in $(readers); do
	dd if=data.ult bs=7 status=none | read_data "$tool" -o short
	read_data "$tool" -o whole <data.ult
	cmp short whole
	rm short whole
done
