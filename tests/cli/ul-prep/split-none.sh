# Nothing is held back: the same events, which all are learned from, and nobody to validate with or to test.
need ul-prep ul-pretrain ul-finetune ul-gen ul-cat
small data.ult lm.gguf
head -n 2001 "$TESTDATA/events.csv" | prep --split none -o all.ult
ul-cat --list all.ult >list
grep -q 'ul.split *none' list
# An item that one user has, and last: the usual split teaches nothing of it.
printf 'user,item,time\n' >events.csv
for user in {1..30}; do
	for time in 1 2 3 4 5; do
		echo "u$user,$((1 + (user + time) % 9)),$time" >>events.csv
	done
	echo "u$user,$((user % 2 ? 98 : 99)),6" >>events.csv
done
for split in none leave-one-out; do
	ul-prep -q --split $split -o $split.ult events.csv
	ul-gen -q --baseline most-popular --rank 20 --keep-seen --split all --limit 1 $split.ult >$split
	ul-pretrain --dim 8 --layers 1 --heads 1 --steps 60 -o $split.enc $split.ult 2>$split.said
done
[[ $(jq '.scores[.items | index("98")]' none) == 15* ]]
[[ $(jq '.scores[.items | index("98")]' leave-one-out) == 0* ]]
grep -q 'validation=none' none.said
expect 1 grep -q 'validation=none' leave-one-out.said
for part in test val; do
	words='hold nothing back' usage ul-gen -m none.enc --rank 1 --split $part none.ult
	words='hold nothing back' usage ul-embed -m none.enc --split $part none.ult
done
ul-gen -q -m none.enc --rank 1 --split train --keep-seen none.ult >out
[[ $(jq -r .target out | sort -u | xargs) == '98 99' ]]
[[ $(ul-embed -q -m none.enc --pool last --format csv none.ult | wc -l) == 31 ]]
# Adapters and language models learn from all of it, too.
ul-finetune --llm lm.gguf --inject none --tune full --batch 8 --steps 2 -o a.ult all.ult 2>err
grep -q 'validation=none' err
# Other splits than these there are none of.
words=leave-one-out usage ul-prep --split half events.csv
# Who has nothing to learn from is told what it takes.
printf 'user,item\na,1\nb,2\n' | ul-prep -q -o lone.ult
expect 3 ul-pretrain --steps 1 -o out lone.ult 2>err
grep -q 'nothing to train on: no user has two events' err
