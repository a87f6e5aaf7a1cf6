# One person's own events: what the LLM ranks is the catalogue that it is given, with the same answers as of the whole.
small data.ult encoder.ult lm.gguf adapter.ult
grep -E '^(user|17),' "$TESTDATA/events.csv" | prep -o one.ult
ask() {
	ul-gen --llm lm.gguf -m encoder.ult -a adapter.ult --rank 5 "$@"
}
# same FILE: the same items in the same order, but for rounding.
same() {
	jq -e -s '.[0] as $a | .[1] as $b | $a.target == $b.target and $a.items == $b.items and
		all(range($a.scores | length); $a.scores[.] - $b.scores[.] | fabs < 1e-4)' expected "$1"
}
ask -q data.ult | grep '^{"user": "17"' >expected
ask -q --catalogue data.ult one.ult >got
same got
ask -q --rank-exact data.ult | grep '^{"user": "17"' >expected
ask -q --rank-exact --catalogue data.ult one.ult >got
same got
# Without, there is next to nothing left, and it is said.
ask one.ult >few 2>err
[[ $(jq '.items | length' few) -lt 5 ]]
grep -q '1 were given fewer than 5: .*--keep-seen' err
ask -q --keep-seen one.ult | jq -e '.items | length == 5'
# Classes, too.
tune --llm lm.gguf -m encoder.ult --task favorite -o favorite.ult data.ult
favorite() {
	ul-gen -q --llm lm.gguf -m encoder.ult -a favorite.ult --rank 1000 "$@"
}
[[ $(favorite one.ult | jq '.items | length') -lt $(favorite --catalogue data.ult one.ult | jq '.items | length') ]]
# Of classes nothing is left out for having been seen.
ul-gen --llm lm.gguf -m encoder.ult -a favorite.ult --rank 1000 one.ult >few 2>err
grep -q '1 were given fewer than 1000: there are' err
expect 1 grep -q 'keep-seen' err
favorite data.ult | grep '^{"user": "17"' >expected
favorite --catalogue data.ult one.ult >got
same got
words='--catalogue goes with --llm' usage ul-gen -m encoder.ult --rank 3 --catalogue data.ult one.ult
head -n 100 "$TESTDATA/events.csv" | ul-prep -q -o bare.ult
expect 2 favorite --catalogue bare.ult one.ult 2>err
grep -q 'the catalogue: {favorite.genres} is no field' err
