# What a ranking must be, whoever ranks: K items a user, none twice, best first, none that was seen.
small data.ult encoder.ult lm.gguf adapter.ult
sed -n 2,2001p "$TESTDATA/events.csv" >events
# check K OPTION...: a line "user target rank items" an answer, against the events.
check() {
	local k=$1
	shift
	ul-gen -q --rank "$k" "$@" data.ult >answers
	sed 's/^{"user": "\(.*\)", "task": .* "target": "\(.*\)", "rank": \(.*\), "items": \[\(.*\)\], "titles".*/\1 \2 \3 \4/; s/[",]//g' answers >lines
	awk -v k="$k" 'function wrong(what) { print FNR ": " what > "/dev/stderr"; bad = 1; exit 1 }
		FILENAME == "events" { split($0, e, ","); item[e[1], ++count[e[1]]] = e[2]; had[e[1], e[2]] = count[e[1]]; next }
		$2 != item[$1, count[$1]] { wrong("target " $2) }
		NF != k + 3 { wrong(NF - 3 " items") }
		{ for (i = 4; i <= NF; i++) {
			if (had[$1, $i] && had[$1, $i] < count[$1]) wrong($i " was seen")
			if (taken[FNR, $i]++) wrong($i " comes twice")
			if (($i == $2) != ($3 == i - 3)) wrong("rank " $3)
		} answers++ }
		END { exit bad || !answers }' events lines
	sed 's/.*"scores": \[\(.*\)\]}/\1/; s/,//g' answers | awk '{ for (i = 2; i <= NF; i++) if ($i > $(i - 1)) exit 1 }'
}
check 7 -m encoder.ult
[[ $(wc -l <answers) == $(cut -d, -f1 events | sort -u | wc -l) ]]
check 7 --baseline most-popular
check 7 --baseline co-occurrence
check 4 --llm lm.gguf --limit 12
[[ $(wc -l <answers) == 12 ]]
check 4 --llm lm.gguf --limit 12 --rank-exact
check 4 --llm lm.gguf -m encoder.ult -a adapter.ult --limit 12
# All of the catalogue, where more is asked for.
all() {
	ul-gen -q -m encoder.ult --rank "$1" --keep-seen --limit 1 data.ult | sed 's/"titles.*//' | grep -o '"[0-9]*"' | wc -l
}
[[ $(all 1000000) == "$(all 240)" && $(all 240) -gt 230 && $(all 9) == 11 ]]
# The exact search never finds worse than a narrow one, which may find nothing.
best() {
	ul-gen -q --llm lm.gguf --rank 1 --limit 9 "$@" data.ult | sed 's/.*"scores": \[\(.*\)\]}/\1/'
}
paste <(best --rank-exact) <(best --beam 2) | awk 'NF == 2 && $1 < $2 - 1e-4 { exit 1 }'
