# A model that is cut, anywhere: exit 3, one line that names it, no output.  From a file, and from a pipe.
small data.ult encoder.ult lm.gguf adapter.ult
mkdir new
# check FILE COMMAND...: with FILE cut in cut.FILE
check() {
	local file=$1 size cut
	shift
	size=$(wc -c <"$CACHE/$file")
	for cut in 0 1 3 8 9 100 $((size / 2)) $((size - 40)) $((size - 9)) $((size - 1)); do
		head -c "$cut" "$CACHE/$file" >"cut.$file"
		expect 3 "$@" -o new/out 2>err
		[[ $(wc -l <err) == 1 && -z $(ls -A new) ]] || { cat err >&2; exit 1; }
		grep -q "cut.$file" err || { cat err >&2; exit 1; }
	done
}
check encoder.ult ul-embed -q -m cut.encoder.ult data.ult
check encoder.ult ul-gen -q -m cut.encoder.ult --rank 3 data.ult
check encoder.ult tune --llm lm.gguf -m cut.encoder.ult data.ult
check encoder.ult ul-gen -q --llm lm.gguf -m cut.encoder.ult -a adapter.ult --rank 1 data.ult
check lm.gguf ul-gen -q --llm cut.lm.gguf --rank 1 data.ult
check lm.gguf tune --llm cut.lm.gguf -m encoder.ult data.ult
check adapter.ult ul-gen -q --llm lm.gguf -m encoder.ult -a cut.adapter.ult --rank 1 data.ult
for cut in 1 50 2000 5000; do
	expect 3 ul-embed -q -m <(head -c $cut encoder.ult) -o new/out data.ult 2>err
	expect 3 ul-gen -q -m encoder.ult --llm lm.gguf -a <(head -c $cut adapter.ult) --rank 1 -o new/out data.ult 2>>err
	expect 3 ul-gen -q --llm <(head -c $cut lm.gguf) --rank 1 -o new/out data.ult 2>>err
	[[ $(wc -l <err) == 3 && -z $(ls -A new) ]] || { cat err >&2; exit 1; }
done
# Whole, all of them work from pipes.
ul-gen -q -m <(cat encoder.ult) --llm <(cat lm.gguf) -a <(cat adapter.ult) --limit 3 --rank 1 data.ult >piped
ul-gen -q -m encoder.ult --llm lm.gguf -a adapter.ult --limit 3 --rank 1 data.ult | cmp - piped
