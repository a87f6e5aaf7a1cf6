# One bit of a model flipped: a stream is refused; a GGUF file, which carries no checksum, does no harm.
small data.ult encoder.ult lm.gguf adapter.ult
# flip FILE AT: bad.FILE
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	cp "$1" "bad.$1"
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte ^ 1 << $2 % 8)))" | dd of="bad.$1" bs=1 seek="$2" conv=notrunc status=none
}
for ((k = 0; k < 12; k++)); do
	flip encoder.ult $((k * $(wc -c <encoder.ult) / 12))
	expect 3 ul-embed -q -m bad.encoder.ult -o out data.ult 2>>err
	flip adapter.ult $((k * $(wc -c <adapter.ult) / 12))
	expect 3 ul-gen -q --llm lm.gguf -m encoder.ult -a bad.adapter.ult --rank 1 -o out data.ult 2>>err
	[[ ! -e out ]]
done
for ((k = 0; k < 40; k++)); do
	flip lm.gguf $((k * 331))
	status=0
	ul-gen -q --llm bad.lm.gguf --rank 1 --limit 1 -o out data.ult 2>>err || status=$?
	[[ $status == 0 || ($status == 3 && ! -e out) ]] || { echo "byte $((k * 331)): exit $status" >&2; exit 1; }
	rm -f out
done
