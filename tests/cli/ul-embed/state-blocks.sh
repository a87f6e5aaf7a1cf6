# A state of keys and values with HSTU's blocks and learned positions; none of what reads times.
awk -F, 'NR == 1 || $1 <= 60' "$TESTDATA/events.csv" >all.csv
awk -F, 'NR == 1 || n[$1]++ < 12' all.csv >early.csv
awk -F, 'NR == 1 || ++n[$1] > 12' all.csv >late.csv
for part in all early late; do
	prep -o $part.ult $part.csv
done
ul-pretrain -q --block hstu --positions both --dim 16 --heads 2 --steps 20 --batch 16 --lr 0.005 -o encoder.ult all.ult
ul-embed -q -m encoder.ult --state state --cache keys --format csv -o early early.ult
ul-embed -q -m encoder.ult --state state --cache keys --format csv -o late late.ult
ul-embed -q -m encoder.ult --format csv all.ult | awk -F, 'FNR == NR { wanted[$1]; next } $1 in wanted' late - >whole
[ "$(wc -l <whole)" -gt 10 ]
paste -d, late whole | awk -F, 'NR == 1 { n = NF / 2; next }
	{ for (i = 1; i <= n; i++) { d = $i - $(i + n); if (d * d > 1e-10) exit wrong = 1 } } END { exit wrong }'

ul-pretrain -q --time-bias --dim 16 --steps 1 -o times.ult all.ult
words=times usage ul-embed -m times.ult --state other -o out all.ult
