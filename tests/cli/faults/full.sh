# A disk that is full: exit 1, one line that says so, and no file.
small data.ult encoder.ult lm.gguf
check() {
	expect 1 "$@" 2>err
	[[ $(wc -l <err) == 1 ]] && grep -q 'No space left\|File too large' err || { cat err >&2; exit 1; }
}
check prep "$TESTDATA/events.csv" >/dev/full
for tool in $(readers); do
	check read_data "$tool" data.ult >/dev/full
done
# A file may have 1024 bytes here; a write beyond fails as on a disk that fills up.
trap '' XFSZ
ulimit -f 1
mkdir new
check prep -o new/out "$TESTDATA/events.csv"
for tool in $(readers); do
	check read_data "$tool" -o new/out data.ult
done
[[ -z $(ls -A new) ]]
