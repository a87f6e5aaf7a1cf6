# A list that ends before k, without the target: counted as a miss, and said, once a file.
printf '%s\n' '{"user":"1","task":"t","target":"x","rank":null,"items":["a","b"]}' \
	'{"user":"2","task":"t","target":"x","rank":2,"items":["a","x"]}' \
	'{"user":"3","task":"t","target":"x","rank":null,"items":["a","b","c"]}' \
	'{"user":"4","task":"t","target":"x","rank":null}' >short.jsonl
note='what they do not reach counts as missed'
# said COUNT K [OPTION]...
said() {
	ul-eval "${@:3}" short.jsonl 2>err >out
	[[ $(cat err) == "ul-eval: $1 lists of short.jsonl are shorter than k=$2: $note" ]] || { cat err >&2; exit 1; }
}
said 2 10
said 1 3 -k 1,3
said 2 100 -k 1 --require 'hr@100>=0.1'
ul-eval -k 1,2 short.jsonl 2>err >out
[[ ! -s err ]]
ul-eval -q short.jsonl 2>err >out
[[ ! -s err ]]
ul-eval short.jsonl short.jsonl 2>err >out
[[ $(grep -c "$note" err) == 2 ]]
