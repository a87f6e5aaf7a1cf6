# The same for a model.
small data.ult encoder.ult
size=$(wc -c <encoder.ult)
mkdir new
for tool in $(readers); do
	[[ $tool == ul-gen || $tool == ul-embed ]] || continue
	for cut in 0 1 9 100 $((size / 2)) $((size - 40)) $((size - 1)); do
		head -c "$cut" "$CACHE/encoder.ult" >cut.ult
		expect 3 read_data "$tool" -m cut.ult -o new/out data.ult 2>err
		[[ $(wc -l <err) == 1 && -z $(ls -A new) ]] || { cat err >&2; exit 1; }
	done
done
