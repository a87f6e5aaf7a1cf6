#!/usr/bin/env bash
# The whole road on testdata/, from a CSV to personal answers, in about three minutes on two
# cores.  Each command is printed as a person would type it.  What it makes stays in $BUILD/demo:
# the table is results.json there.
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=$(cd "${BUILD:-build}" && pwd)
PATH=$BUILD/bin:$PATH
rm -rf "$BUILD/demo"
mkdir -p "$BUILD/demo"
cp testdata/events.csv testdata/items.csv "$BUILD/demo"
cd "$BUILD/demo"

say() {
	printf '\n# %s\n' "$1"
}

# run COMMAND: shows it, and runs it as it is shown.
run() {
	printf '$ %s\n' "$1"
	eval "$1"
}

say 'Histories of 900 users and 240 films become a dataset, and the dataset a user encoder.'
run "ul-prep --items items.csv --feature rating=rating --feature 'genre=genres:|' --text title=title events.csv |
    tee data.ult | ul-pretrain --batch 32 --minutes 0.6 --evaluate-every 150 -o encoder.ult"

say 'User embeddings, for whatever else they are good for: a vector a user.'
run 'ul-embed -m encoder.ult --pool last --format csv data.ult | cut -c 1-72 | sed -n 1,4p'

say 'A small language model learns the sentences of the catalogue, and nothing about users.'
run 'ul-pretrain --arch lm --minutes 0.45 --evaluate-every 100 -o lm.gguf data.ult'

say 'The language model learns to listen: cross-attention to the embeddings, its own weights frozen.'
run 'ul-finetune --llm lm.gguf -m encoder.ult --batch 32 --minutes 1.1 -o adapter.ult data.ult'

say 'Everybody answers the same question: which film comes next, of all that the user has not seen?'
run 'ul-gen -q --llm lm.gguf -m encoder.ult -a adapter.ult --rank 10 -o user-llm.jsonl data.ult'
run 'ul-gen -q --llm lm.gguf --rank 10 -o llm-without-user.jsonl data.ult'
run 'ul-gen -q --baseline most-popular --rank 10 -o most-popular.jsonl data.ult'
run 'ul-gen -q --baseline co-occurrence --rank 10 -o co-occurrence.jsonl data.ult'
run 'ul-gen -q -m encoder.ult --rank 10 -o encoder.jsonl data.ult'

say 'Five users: what the language model says with their embedding, and without.'
run 'ul-gen -q --llm lm.gguf -m encoder.ult -a adapter.ult --rank 3 --limit 5 --format text data.ult'
run 'ul-gen -q --llm lm.gguf --rank 3 --limit 5 --history 0 --format text data.ult | grep -v took:'

systems='user-llm llm-without-user most-popular co-occurrence encoder'
names=$(printf -- '--name %s ' $systems)
files=$(printf '%s.jsonl ' $systems)
say 'The table: the next film of 900 users, ranked among all films that they have not seen.'
run "ul-eval --k 1,5,10 --format json $names-o results.json $files"
run "ul-eval --k 1,5,10 $names$files"
