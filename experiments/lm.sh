# What SET.llm reads in, with options of ul-pretrain behind: a language model of some five million weights, of the
# dataset's own texts and nine tenths of TinyStories; the last tenth tells later what it has kept of its language.
stories=$MODELS/corpus/tinystories_1000.json
jq -c '.[:900]' "$stories" >"$ROOM/stories.json"
jq -c '.[900:]' "$stories" >"$ROOM/held-out.json"
ul-pretrain -q --arch lm --dim 256 --layers 4 --heads 4 --vocab 8192 --max-len 512 --texts "$ROOM/stories.json" \
	--log "$ROOM/llm.log" -o "$ROOM/llm.gguf" "$@" "$ROOM/data.ult"
