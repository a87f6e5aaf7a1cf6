# On a terminal a text comes as it is said; JSON lines where they are asked for, and for users, are nothing but that.
small lm.gguf data.ult encoder.ult adapter.ult
command -v script >/dev/null || { echo 'there is no script(1)' >&2; exit 77; }
say() {
	script -qec "ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 9 $*" /dev/null </dev/null | tr -d '\r'
}
ul-gen -q --llm lm.gguf --prompt 'Next choice:' --n-predict 9 --format text >piped
say >seen
cmp seen piped
say --format jsonl >lines
[[ $(wc -l <lines) == 1 ]]
grep -q '^{"task": "prompt", ' lines
printf 'Next\nNext choice:\n' >two
script -qec 'ul-gen -q --llm lm.gguf --prompts two --n-predict 9' /dev/null </dev/null | tr -d '\r' >seen
ul-gen -q --llm lm.gguf --prompts two --n-predict 9 --format text | cmp seen -
say -m encoder.ult -a adapter.ult --limit 1 data.ult >users
[[ $(wc -l <users) == 1 ]]
grep -q '^{"user": ' users
