small data.ult encoder.ult lm.gguf adapter.ult
words='who answers' usage ul-gen --rank 3 data.ult
words='only one of .* at a time' usage ul-gen --rank 3 --baseline most-popular -m encoder.ult data.ult
words='-a needs' usage ul-gen -m encoder.ult -a adapter.ult --rank 3 data.ult
words='-m ENCODER is missing' usage ul-gen --llm lm.gguf -a adapter.ult --rank 3 data.ult
words='-a ADAPTER' usage ul-gen --llm lm.gguf -m encoder.ult --rank 3 data.ult
words='what is asked' usage ul-gen --llm lm.gguf data.ult
words='only one of .* at a time' usage ul-gen --llm lm.gguf --rank 3 --prompt x data.ult
words=--llm usage ul-gen -m encoder.ult --prompt x data.ult
words=--rank usage ul-gen -m encoder.ult --rank 0 data.ult
words=--split usage ul-gen -m encoder.ult --rank 1 --split none data.ult
words=--baseline usage ul-gen --baseline random --rank 1 data.ult
words=--temperature usage ul-gen --llm lm.gguf --prompt x --temperature -1
head -n 100 "$TESTDATA/events.csv" | ul-prep -q -o bare.ult
words="'rating'" usage ul-gen -m encoder.ult --rank 1 -o out bare.ult
[[ ! -e out ]]
words='--history goes with --format text' usage ul-gen -m encoder.ult --rank 1 --history 3 -o out data.ult
# What does not belong together.
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 0 -o other.ult data.ult
ul-pretrain -q --arch lm --dim 16 --layers 2 --heads 2 --vocab 400 --steps 0 -o other.gguf data.ult
words='another encoder' usage ul-gen --llm lm.gguf -m other.ult -a adapter.ult --rank 1 data.ult
words='another LLM' usage ul-gen --llm other.gguf -m encoder.ult -a adapter.ult --rank 1 data.ult
words='--precision goes with' usage ul-gen --llm lm.gguf --tokenize --precision bf16 texts
