# One line that names file and line, and no table.
# wrong MEMBERS MESSAGE
wrong() {
	{ cat "$CASES/ul-eval/texts.jsonl"; echo '{"user": "9", "task": "review", "target": "x", '"$1}"; } >bad.jsonl
	expect 3 ul-eval -o table bad.jsonl 2>err
	[[ $(cat err) == "ul-eval: bad.jsonl: line 6: $2" ]] || { cat err >&2; exit 1; }
	[[ ! -e table ]]
}
wrong '"text": "y", "items": []' 'both "text" and "items": an answer is one or the other'
wrong '"text": "y", "rank": null' 'both "text" and "rank": an answer is one or the other'
wrong '"nll": 1, "tokens": 1' 'a "target", but neither "rank" nor "text"'
wrong '"text": 7' '"text" is no string'
wrong '"text": "y", "nll": 1' 'a "nll" without "tokens"'
wrong '"text": "y", "nll": -1, "tokens": 1' '"nll" is no number from 0'
wrong '"text": "y", "nll": "1", "tokens": 1' '"nll" is no number from 0'
wrong '"text": "y", "nll": 1e9, "tokens": 2' '"nll" is more than 700 for each of its 2 tokens'
wrong '"text": "y", "nll": 1, "tokens": 0' '"nll" is more than 700 for each of its 0 tokens'
wrong '"text": "y", "nll": 1, "tokens": -1' '"tokens" is no whole number from 0'
wrong '"text": "y", "nll": 1, "tokens": 1.0' '"tokens" is no whole number from 0'

# The baseline has to have texts, too.
cp "$CASES"/ul-eval/{good,texts}.jsonl .
expect 3 ul-eval -q --baseline good.jsonl texts.jsonl 2>err
[[ $(cat err) == "ul-eval: texts.jsonl: the baseline has no texts of task 'review'" ]]
sed -i 's/gunman", "text"/gunmen", "text"/' texts.jsonl
expect 3 ul-eval -q --baseline "$CASES/ul-eval/texts.jsonl" texts.jsonl 2>err
[[ $(cat err) == "ul-eval: texts.jsonl: task 'review': user '1' has another target in the baseline" ]]
