# All six tools in pipes.  What counting alone gives is exact; what is learnt must beat it by a little training.
prep "$TESTDATA/events.csv" >data.ult
for baseline in most-popular co-occurrence; do
	ul-gen -q --baseline $baseline --rank 10 data.ult | ul-eval -q --format tsv --k 1,10
done
prep <"$TESTDATA/events.csv" | ul-pretrain -q --dim 32 --layers 1 --heads 2 --steps 120 --lr 0.005 --batch 64 >encoder.ult
ul-gen -q -m encoder.ult --rank 10 <data.ult | ul-eval -q --require 'hr@10>=0.25' >table
ul-embed -q -m encoder.ult --pool last <data.ult | ul-cat -q --to csv | wc -l
ul-pretrain -q --arch lm --dim 32 --layers 1 --heads 2 --vocab 400 --steps 60 --batch 32 <data.ult >lm.gguf
ul-finetune -q --llm lm.gguf -m encoder.ult --steps 20 --latents 4 <data.ult >adapter.ult
ul-gen -q --llm lm.gguf -m encoder.ult -a adapter.ult --rank 10 --limit 40 <data.ult | tee answers | ul-eval -q >table
wc -l <answers
ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 12 | grep -c '"prompt": "Next choice:", "text"'
