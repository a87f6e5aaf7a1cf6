# --steps 0: a model of random weights, of the seed, that works.
small data.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 -o a.ult data.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 -o b.ult --lr 0.5 data.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 -o c.ult --seed 2 data.ult
ul-embed -q -m a.ult --format csv data.ult >a
ul-embed -q -m b.ult --format csv data.ult | cmp a -
ul-embed -q -m c.ult --format csv data.ult >c
expect 1 cmp -s a c
ul-pretrain -q --arch lm --dim 8 --layers 1 --heads 2 --vocab 300 --steps 0 -o lm.gguf data.ult
ul-gen -q --llm lm.gguf --rank 2 --limit 1 data.ult | grep -q '"items": \["'
