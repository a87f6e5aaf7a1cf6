# A state of an encoder with HSTU's blocks, with learned positions, with times, with a tower.
awk -F, 'NR == 1 || $1 <= 60' "$TESTDATA/events.csv" >all.csv
awk -F, 'NR == 1 || n[$1]++ < 12' all.csv >early.csv
awk -F, 'NR == 1 || ++n[$1] > 12' all.csv >late.csv
for part in all early late; do
	prep -o $part.ult $part.csv
done
for options in "--block hstu --positions both" "--time-bias" "--block hstu --query-time" "--arch dual"; do
	# shellcheck disable=SC2086
	ul-pretrain -q $options --dim 16 --heads 2 --steps 20 --batch 16 --lr 0.005 -o encoder.ult all.ult
	for pool in last mean; do
		for cache in none keys; do
			rm -f state
			ul-embed -q -m encoder.ult --state state --cache $cache --pool $pool --format csv -o early early.ult
			ul-embed -q -m encoder.ult --state state --cache $cache --pool $pool --format csv -o late late.ult
			ul-embed -q -m encoder.ult --pool $pool --format csv all.ult |
				awk -F, 'FNR == NR { wanted[$1]; next } $1 in wanted' late - >whole
			[ "$(wc -l <whole)" -gt 10 ]
			paste -d, late whole | awk -F, 'NR == 1 { n = NF / 2; next }
				{ for (i = 1; i <= n; i++) { d = $i - $(i + n); if (d * d > 1e-10) exit wrong = 1 } }
				END { exit wrong }'
		done
	done
done
