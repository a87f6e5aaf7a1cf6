small data.ult encoder.ult lm.gguf
words=--llm usage ul-finetune -m encoder.ult -o out data.ult
words='-m ENCODER' usage ul-finetune --llm lm.gguf -o out data.ult
words=--tune usage ul-finetune --tune all -o out data.ult
words=--inject usage ul-finetune --inject warp -o out data.ult
words=--task usage ul-finetune --task all -o out data.ult
words=--latents usage ul-finetune --latents -1 -o out data.ult
words=--batch usage ul-finetune --batch 0 -o out data.ult
head -n 100 "$TESTDATA/events.csv" | ul-prep -q -o bare.ult
words="'rating'" usage tune --llm lm.gguf -m encoder.ult -o out bare.ult
# Names that are longer than the LLM reads.
ul-pretrain -q --arch lm --dim 8 --layers 1 --heads 2 --vocab 300 --max-len 4 --steps 0 -o short.gguf data.ult
words=context usage tune --llm short.gguf -m encoder.ult -o out data.ult
words='no layer 2' usage tune --llm lm.gguf -m encoder.ult --inject-layers 0,2 -o out data.ult
words='--inject-layers goes with' usage tune --llm lm.gguf -m encoder.ult --inject soft --inject-layers all -o out data.ult
words='--reset-encoder goes with' usage tune --llm lm.gguf -m encoder.ult --tune proj --reset-encoder -o out data.ult
words='teaches of items alone' usage tune --llm lm.gguf -m encoder.ult --teach 0.5 --task favorite -o out data.ult
words='--teach goes with' usage tune --llm lm.gguf --inject none --tune full --teach 0.5 -o out data.ult
words='--teach goes with -m' usage ul-finetune --llm lm.gguf --embeddings x.npy --teach 0.5 -o out data.ult
words='--perceiver-layers goes with --latents 1' usage ul-finetune --llm lm.gguf -m encoder.ult --latents 0 --perceiver-layers 2 -o out data.ult
words='no room for 8 --questions' usage ul-finetune --llm lm.gguf -m encoder.ult --batch 4 --questions 8 -o out data.ult
words='--answer-tokens goes with' usage tune --llm lm.gguf -m encoder.ult --answer-tokens 4 -o out data.ult
words='UTF-8' usage tune --llm lm.gguf -m encoder.ult --query $'x\xff' -o out data.ult
[[ ! -e out ]]
printf 'user,item\n1,a\n' | ul-prep -q -o one.ult
expect 3 ul-finetune -q --llm lm.gguf --inject none --tune full -o out one.ult 2>err
grep -q 'no user has two events' err
