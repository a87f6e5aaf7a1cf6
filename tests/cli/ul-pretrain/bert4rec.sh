# A bert4rec encoder on the whole road: trained alike by any number of threads, ranking, embedding, refused by adapters.
prep <"$TESTDATA/events.csv" >data.ult
options="--arch bert4rec --dim 16 --layers 1 --heads 2 --epochs 3 --batch 40 --lr 0.01 --mask-rate 0.3 -q"
ul-pretrain $options -T1 -o one.ult data.ult
ul-pretrain $options -T2 -o two.ult data.ult
numbers one.ult >one
numbers two.ult | cmp - one
ul-gen -q -m one.ult --rank 10 data.ult | ul-eval -q --k 10 --require "hr@10>=0.05"
ul-embed -q -m one.ult --pool none --format csv data.ult >rows.csv
[ "$(wc -l <rows.csv)" -gt 1 ]
words="arch ar" usage ul-embed -m one.ult --state users.state -o out data.ult
ul-pretrain -q --arch lm --dim 16 --layers 1 --heads 2 --vocab 300 --steps 1 -o lm.gguf data.ult
words="arch ar" usage ul-finetune --llm lm.gguf -m one.ult --steps 1 -o out data.ult
