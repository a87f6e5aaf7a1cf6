# The item table in every format and dtype: the encoder's own rows, ids and titles.
small data.ult encoder.ult
ul-embed -q -m encoder.ult --items --format csv -o items
[[ $(head -n 1 items) == item,e0,e1,e2,e3,e4,e5,e6,e7,title ]]
# The ids and numbers that the encoder's tensors have.
ul-cat -q --to csv --tensor enc.embed.item encoder.ult | sed -n '4,$p' | tr ', ' '\n\n' | sed '/^$/d' >table
sed 1d items | cut -d, -f 2-9 | tr , '\n' >ours
paste -d' ' table ours | awk '{ d = $1 - $2; if (NF != 2 || d * d > 1e-12) exit wrong = 1 } END { exit wrong || NR < 1000 }'
# Every item of the data is there, with the title that the item table gives it.
sed -n 2,2001p "$TESTDATA/events.csv" | cut -d, -f2 | sort -u >known
sed 1d items | cut -d, -f1 | sort | cmp - known
grep -q '^1001,.*[0-9],The Paper Dragon (1996)$' items
grep -c '"$' items >quoted # titles with commas
[[ $(<quoted) -gt 0 ]]

for dtype in f32 f16 bf16 i8; do
	for format in ult safetensors npy csv jsonl; do
		embed() { ul-embed -q -m encoder.ult --items --dtype $dtype --format $format "$@"; }
		if [[ $format == npy && ($dtype == bf16 || $dtype == i8) ]]; then
			words=npy usage embed
			continue
		fi
		embed -o $dtype.$format </dev/null
		embed -T1 | cmp - $dtype.$format
		# A stream has them all, too.
		[[ $format == ult ]] && continue
		ul-cat -q --to $format $dtype.ult >converted
		[[ $format == safetensors ]] || cmp converted $dtype.$format
	done
	ul-cat -q --check $dtype.ult $dtype.safetensors
done
head -n 1 f32.jsonl | grep -q '^{"item": "[0-9]*", "title": ".*)", "embedding": \[.*\]}$'
ul-cat -q --from 5 --count 2 f32.ult | ul-cat -q --to csv | sed 1d | cmp - <(sed -n 7,8p items)

# Without texts of items there are no titles.
head -n 200 "$TESTDATA/events.csv" | ul-prep -q -o bare.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 1 -o bare.encoder.ult bare.ult
ul-embed -q -m bare.encoder.ult --items --format csv | sed -n 1,2p | grep -c '[^0-9a-z.,-]' && exit 1
ul-embed -q -m bare.encoder.ult --items --format jsonl | grep -c title && exit 1

words="'data.ult' is not read" usage ul-embed -m encoder.ult --items data.ult
for option in '--pool last' '--shard 1/2' '--precision f32'; do
	# shellcheck disable=SC2086
	words=--items usage ul-embed -m encoder.ult --items $option
done
# Items and users are no shards of one whole.
ul-embed -q -m encoder.ult --pool last -o users.ult data.ult
expect 3 ul-cat -q --merge -o out f32.ult users.ult 2>err
