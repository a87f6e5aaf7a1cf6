# Who knows the target's time is named so, is not compared with who does not, and needs times.
small data.ult
options="-q --dim 16 --layers 1 --heads 2 --steps 3"
ul-pretrain $options --query-time --log log -o known.ult data.ult
ul-pretrain $options --time-bias --log log.history -o history.ult data.ult
grep -q '"league": "query-time"' log
expect 1 grep -q league log.history
ul-gen -q -m known.ult --rank 1 data.ult >known.jsonl
ul-gen -q -m history.ult --rank 1 data.ult >history.jsonl
[ "$(grep -c '"task": "next-item (query time)"' known.jsonl)" = "$(wc -l <known.jsonl)" ]
expect 1 grep -q 'query time' history.jsonl
ul-eval -q known.jsonl | grep -q 'next-item (query time)'
expect 3 ul-eval --baseline history.jsonl known.jsonl 2>said
grep -q "'next-item (query time)'" said
cut -d, -f1,2,3 "$TESTDATA/events.csv" | prep -o timeless.ult
words=time usage ul-pretrain --time-bias --steps 1 -o out timeless.ult
words=times usage ul-gen -m known.ult --rank 1 timeless.ult
words='arch ar' usage ul-pretrain --arch bert4rec --query-time -o out data.ult

# The time that is asked for matters, and is refused where nothing reads it.
ul-gen -q -m known.ult --rank 5 --split all data.ult >last
ul-gen -q -m known.ult --rank 5 --split all --at 2000000000 data.ult >later
expect 1 cmp -s last later
words=query-time usage ul-gen -m history.ult --rank 5 --split all --at 2000000000 data.ult
words='split all' usage ul-gen -m known.ult --rank 5 --at 2000000000 data.ult
