# A language model as GGUF: the same model again.
small lm.gguf data.ult
ul-cat --to gguf -o again.gguf lm.gguf
ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 12 >one
ul-gen -q --llm again.gguf --prompt 'Next choice:' --n-predict 12 | cmp one -
ul-cat --to gguf lm.gguf >piped.gguf
ul-cat --to gguf -o twice.gguf again.gguf
tail -c 10000 again.gguf | cmp - <(tail -c 10000 twice.gguf)
words=gguf usage ul-cat --to gguf </dev/null
words=--tensor usage ul-cat --to gguf --tensor x lm.gguf
expect 3 ul-cat --to gguf -o x.gguf "$TESTDATA/events.csv" 2>err
grep -q '^ul-cat: .*is no GGUF file' err
expect 3 ul-cat --to gguf -o x.gguf data.ult 2>err
grep -q '^ul-cat: data.ult: is compressed by zstd, as streams of these tools are, and no GGUF file$' err
[[ ! -e x.gguf ]]
