# A stream that is cut, anywhere, from a file or a pipe: exit 3, one line, no output.
head -n 101 "$TESTDATA/events.csv" | prep -o data.ult
small encoder.ult lm.gguf
size=$(wc -c <data.ult)
mkdir new
for tool in $(readers); do
	for cut in 0 1 3 4 8 9 17 100 $((size / 2)) $((size - 100)) $((size - 40)) $((size - 9)) $((size - 1)); do
		head -c "$cut" data.ult >cut.ult
		expect 3 read_data "$tool" -o new/out cut.ult 2>err
		expect 3 read_data "$tool" -o new/out <cut.ult 2>>err
		[[ $(wc -l <err) == 2 && -z $(ls -A new) ]] || { cat err >&2; exit 1; }
	done
done
