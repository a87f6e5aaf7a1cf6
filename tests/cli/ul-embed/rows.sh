# A row an event, the last of them, or their mean: by awk from the rows of all.
small data.ult encoder.ult
ul-embed -q -m encoder.ult --format csv data.ult >none
ul-embed -q -m encoder.ult --format csv --pool last data.ult >last
ul-embed -q -m encoder.ult --format csv --pool mean data.ult >mean
users=$(($(wc -l <last) - 1))
[[ $users -gt 30 && $(wc -l <mean) == $((users + 1)) && $(wc -l <none) == 2001 ]]
awk -F, 'FNR == 1 { columns = NF; next }
	FILENAME == "none" { for (i = NF - 7; i <= NF; i++) { sum[$1, i - NF] += $i; last[$1, i - NF] = $i } count[$1]++ }
	FILENAME == "last" { for (i = NF - 7; i <= NF; i++) if (last[$1, i - NF] != $i) exit wrong = 1 }
	FILENAME == "mean" { for (i = NF - 7; i <= NF; i++) { d = sum[$1, i - NF] / count[$1] - $i; if (d * d > 1e-9) exit wrong = 1 } }
	END { exit wrong }' none last mean
