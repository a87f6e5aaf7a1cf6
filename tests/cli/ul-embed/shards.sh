# Shards, merged, are the whole; each says how many users it has.
small data.ult encoder.ult
for pool in last none; do
	ul-embed -q -m encoder.ult --pool $pool -o whole.ult data.ult
	for i in 1 2 3; do
		ul-embed -q -m encoder.ult --pool $pool --shard $i/3 -T$i -o $i.ult data.ult
		ul-cat -q --check $i.ult
	done
	ul-cat -q --merge -o merged.ult 1.ult 2.ult 3.ult
	ul-cat --check merged.ult | grep -q "users"
	ul-cat -q --to csv whole.ult | sort -t, -k1,1 -s >whole
	ul-cat -q --to csv merged.ult | sort -t, -k1,1 -s >merged
	# Users are encoded in groups, whose company shows in the last digits.
	paste -d, whole merged | awk -F, 'NF % 2 { exit wrong = 1 }
		{ for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d * d > 1e-10) exit wrong = 1 } }
		END { exit wrong || NR < 30 }'
done
# Shard 2 of 3 has the second user, and every third from there.
ul-embed -q -m encoder.ult --pool last --format csv data.ult | sed 1d | cut -d, -f1 | sed -n '2~3p' >second
ul-embed -q -m encoder.ult --pool last --format csv --shard 2/3 data.ult | sed 1d | cut -d, -f1 | cmp second -
# More shards than users: the last ones are empty, and still good.
ul-embed -q -m encoder.ult --shard 999/1000 -o empty.ult data.ult
ul-cat --check empty.ult | grep -q ' 0 users'
