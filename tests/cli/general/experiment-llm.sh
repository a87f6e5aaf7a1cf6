# An experiment with a language model: adapters that need an encoder of a line before, one that needs none, answers
# in words, and what tuning left of the language.
for needed in jq /usr/bin/time; do
	command -v $needed >/dev/null || { echo "there is no $needed" >&2; exit 77; }
done
need ul-prep ul-pretrain ul-finetune ul-gen ul-eval
mkdir build models
ln -s "$BUILD/bin" build/bin
cat >toy.data <<'END'
head -n 1001 "$DATA/events.csv" | ul-prep -q --feature rating=rating --items "$DATA/items.csv" --text title=title
END
cat >toy.llm <<'END'
echo '["The old woman smiled.", "A dog ran."]' >"$ROOM/held-out.json"
ul-pretrain -q --arch lm --dim 16 --layers 1 --heads 2 --vocab 300 --steps 2 -o "$ROOM/llm.gguf" "$ROOM/data.ult"
END
cat >toy.runs <<'END'
#: # A toy with a language model
#seeds: 1
#limit: 5
ar	--dim 8 --layers 1 --heads 1 --steps 2
alone	llm:
cross	llm: -m {ar} --latents 2 --steps 2 --batch 8
all of it	llm:+ --tune full
none	llm: --inject none --tune lora --steps 2 --batch 8
again	ask:cross	--rank 10 --keep-seen
stars	llm: -m {ar} --query Stars: --target {rating} --steps 2 --batch 8	--n-predict 3
END
experiment() {
	DATA=$TESTDATA MODELS=models BUILD=build "$ROOT/experiments/run.sh" ./toy
}
experiment >told
grep '^|' toy.md >rows
[[ $(wc -l <rows) == 9 ]]
head -n 1 rows | grep -q '| HR@1 | HR@10 | NDCG@10 | exact | ROUGE-1 | .* | perplexity | perplexity of its language | MFLOP a user | ms a user | weights |'
number='[0-9]*\.[0-9][0-9]*'
row() {
	grep -qx "| $1 |" rows || { echo "no row $1" >&2; cat toy.md >&2; exit 1; }
}
none='– | – | – | – | –'
row "ar | .--dim 8 .* | $number | $number | $number | $none | – | $number | $number | $number | $number | [0-9]* | 1"
row "alone | the LLM as it is | $number | $number | $number | $none | $number | $number | $number | – | – | – | –"
row "again | cross, asked in another way | $number | $number | $number | $none | – | $number | $number | – | – | – | –"
row "cross | LLM, .-m {ar} --latents 2 .* | $number | $number | $number | $none | $number | $number | $number | $number | $number | [0-9]* | 1"
row "stars | LLM, .* | – | – | –$(printf " | %s" $(yes "$number" | head -n 10)) | [0-9]* | 1"
grep -q 'Test part, the first 5 users' toy.md
# Where the LLM's own weights do not train its language is what it was; else it is another.
language() {
	sed -n "s/^| $1 | .* | \($number\) | [^|]* | [^|]* | [^|]* | [^|]* | [^|]* | [^|]* |\$/\1/p" rows
}
[[ $(language alone) == "$(language cross)" && $(language alone) != "$(language 'all of it')" ]]
touch before
experiment >told
[[ $(find build/experiments/toy -newer before -name '*.result' | wc -l) == 0 ]]
made_since() {
	find build/experiments/toy -newer before -name "*.$1" -printf '%f\n' | sed 's/\..*//' | sort | xargs
}
# Of more users all are asked anew, and none is trained anew.
sed -i 's/#limit: 5/#limit: 6/' toy.runs
experiment >told
[[ $(made_since result) == 'again all-of-it alone ar cross none stars' ]]
[[ $(made_since ult) == '' ]]
grep -q 'Test part, the first 6 users' toy.md
# Of another encoder, all that need it are.
cp build/experiments/toy/cross.1.ult first.ult
sed -i 's/--heads 1 --steps 2/--heads 1 --steps 3/' toy.runs
touch before
experiment >told
[[ $(made_since result) == 'again all-of-it ar cross stars' && $(made_since ult) == 'all-of-it ar cross stars' ]]
# With the first one again, that is made once more for who is asked what was not asked before.
sed -i 's/--heads 1 --steps 3/--heads 1 --steps 2/; s/--keep-seen/--keep-seen --beam 3/' toy.runs
touch before
experiment >told
[[ $(made_since result) == again && $(made_since ult) == 'ar cross' ]]
cmp build/experiments/toy/cross.1.ult first.ult
# What the LLM's script reads in belongs to it; data that come out the same are the same data.
printf '%s\n' '. ./more.sh' >>toy.llm
printf 'echo said\n' >more.sh
touch before
experiment >told
[[ $(made_since gguf) == llm && $(made_since result) == '' ]]
printf 'sed -i s/dog/cat/ "$ROOM/held-out.json"\n' >>more.sh
printf '# Another word\n' >>toy.data
touch before
experiment >told
[[ $(made_since gguf) == llm && $(made_since result) == 'again all-of-it alone ar cross none stars' ]]
[[ $(made_since ult | xargs -n 1 | grep -vx -e all-of-it -e stars) == data ]]
grep -q cat build/experiments/toy/held-out.json
touch models/another
touch before
experiment >told
[[ $(made_since gguf) == llm && $(made_since result) == '' ]]
# Another ul-gen trains nothing; an encoder may be asked twice, too.
rm build/bin
cp -rL "$BUILD/bin" build/bin
echo >>build/bin/ul-gen
printf 'twice\task:ar\t--rank 3\n' >>toy.runs
touch before
experiment >told
[[ $(made_since result) == 'again all-of-it alone ar cross none stars twice' ]]
grep -q '^| twice | ar, asked in another way |' toy.md
[[ $(made_since ult | xargs -n 1 | grep -vx -e all-of-it -e stars) == '' ]]
# A name that there is none of is told.
printf 'lost\tllm: -m {arr} --steps 2\n' >>toy.runs
expect 1 experiment >told 2>err
grep -q "there is no system 'arr'" err
