# The latents of an adapter: K rows a user, of the adapter that they name, the same bytes for any threads.
small data.ult encoder.ult lm.gguf adapter.ult
latents() {
	ul-embed -q -m encoder.ult -a adapter.ult "$@" data.ult
}
users=$(head -n 2001 "$TESTDATA/events.csv" | sed 1d | cut -d, -f1 | sort -u | wc -l)
latents -T1 -o users.ult
latents -T2 -o two.ult
cmp users.ult two.ult
ul-cat --list users.ult >list
hash=$(ul-cat --check adapter.ult | sed 's/.*xxh64 //')
grep -q 'ul.pool *latents' list
grep -q 'ul.latents *2$' list
grep -q 'ul.split *all$' list
grep -q "ul.adapter *$hash" list
grep -q '"adapter.ult"' list
grep -q " embeddings *\[$((2 * users)), 8\]" list
expect 1 grep -q 'embeddings.offsets' list
# In every format; shards are the whole.
latents --format npy -o users.npy
grep -aq "'shape': ($users, 2, 8)" users.npy
latents --format csv >csv
ul-cat -q --to csv users.ult | cmp csv -
[[ $(sed 1d csv | cut -d, -f2 | sort | uniq -c | tr -s ' ' | tr '\n' ' ') == " $users 0  $users 1 " ]]
latents --format jsonl -o jsonl
sed -n 2p jsonl | grep -q '^{"user": "1", "position": 1, "embedding": \['
latents --format safetensors -o users.safetensors
ul-cat -q --to csv users.safetensors | cmp csv -
for i in 1 2; do
	latents --shard $i/2 -o $i.ult
done
ul-cat --merge 1.ult 2.ult | ul-cat -q --to csv | sort | cmp <(sort csv) -
for dtype in f16 bf16 i8; do
	latents --dtype $dtype --format csv | paste -d, csv - | sed 1d | awk -F, '{
		for (i = 3; i <= 10; i++) { d = $i - $(i + 10); if (d * d > 1e-2) exit 1 } }'
done
# As of an event before the last: what was not yet known makes a difference, and is not known.
latents --split test --format csv >test
expect 1 cmp -s csv test
head -n 1 "$TESTDATA/events.csv" >shorter.csv
grep '^1,' "$TESTDATA/events.csv" | sort -t, -k4,4n -s | sed '$d' >>shorter.csv
prep -o shorter.ult shorter.csv
ul-embed -q -m encoder.ult -a adapter.ult --format csv shorter.ult | sed 1d | cmp <(grep ^1, test) -
# What has no latents, or not for this encoder.
tune --latents 0 --tune proj --llm lm.gguf -m encoder.ult -o rows.ult data.ult
ul-finetune -q --llm lm.gguf --inject none --tune lora --steps 0 -o none.ult data.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 -o other.ult data.ult
words='no latents' usage ul-embed -m encoder.ult -a rows.ult -o out data.ult
words='no encoder' usage ul-embed -m encoder.ult -a none.ult -o out data.ult
words='another encoder' usage ul-embed -m other.ult -a adapter.ult -o out data.ult
words='--pool goes with' usage latents --pool last -o out
words='--items goes with' usage ul-embed -m encoder.ult -a adapter.ult --items -o out
words='--split goes with' usage ul-embed -m encoder.ult --state s --split test -o out data.ult
[[ ! -e out ]]
