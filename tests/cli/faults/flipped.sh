# One flipped bit, anywhere: ul-cat --check refuses the stream.
need ul-cat
head -n 5 "$TESTDATA/events.csv" | ul-prep -q -o data.ult
size=$(wc -c <data.ult)
for ((at = 0; at < size; at += 3)); do
	byte=$(od -An -tu1 -j "$at" -N 1 data.ult)
	cp data.ult bad.ult
	# shellcheck disable=SC2059
	printf "\\x$(printf %x $((byte ^ 1 << at % 8)))" | dd of=bad.ult bs=1 seek="$at" conv=notrunc status=none
	expect 3 ul-cat -q --check bad.ult 2>/dev/null
done
