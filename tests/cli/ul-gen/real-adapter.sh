# A real LLM with a SentencePiece vocabulary, joined to an encoder: trained, ranking, talking.
real_model stories260K/stories260K-f32.gguf
small data.ult encoder.ult
tune --llm stories260K-f32.gguf -m encoder.ult -o adapter.ult data.ult
ul-gen -q --llm stories260K-f32.gguf -m encoder.ult -a adapter.ult --rank 5 --limit 3 data.ult >answers
[[ $(grep -c '"items": \["[0-9]*"\(, "[0-9]*"\)\{4\}\]' answers) == 3 ]]
ul-gen -q --llm stories260K-f32.gguf -m encoder.ult -a adapter.ult --prompt 'Once upon' --n-predict 8 --limit 2 data.ult >texts
[[ $(wc -l <texts) == 2 ]]
