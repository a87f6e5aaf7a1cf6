# What is asked: of few events that have an answer, of none, and at what length.
small lm.gguf encoder.ult
# events ROWS: reviews where $3 of a row says so.
events() {
	printf 'user,item,rating,review\n%b' "$1" | prep --text review=review -o "$2"
}
rows=
for user in {1..40}; do
	for item in {1..8}; do
		review=
		[[ $user$item != 73 ]] || review='not bad'
		rows+="u$user,$((1000 + user * item % 20)),$((1 + item % 5)),$review\n"
	done
done
events "$rows" few.ult
learn() {
	ul-finetune --llm lm.gguf --inject none --tune full --batch 2 --evaluate-every 2 -o out "$@"
}
# One event of all has an answer: each step asks about it, and never about nothing.
learn --steps 4 --task review few.ult 2>err
grep -q 'step=4 ' err
expect 1 grep -q 'nan' err
grep -q 'validation=none (no user has an event for it with an answer)' err
# None that training may see.
rm out
events "${rows/not bad/}u40,1003,3,only now\n" none.ult
expect 3 learn --steps 4 --task review none.ult 2>err
grep -q "nothing to train on: '{review}' is empty" err
# A prompt that is too long is told before the first step, and which user's it is.
long=$(printf 'word %.0s' {1..400})
events "${rows}u41,1001,3,short\nu41,1002,3,$long\nu41,1003,3,short\nu41,1004,3,short\nu41,1005,3,short\n" long.ult
expect 2 learn --steps 4 --query 'After {review}:' --target '{item}' long.ult 2>err
grep -q "user 'u41': prompt of .* longer" err
expect 1 grep -q 'step=' err
# Of users, too.
events "${rows}$(printf 'u%.0s' {1..400}),1001,3,\n" named.ult
expect 0 learn --steps 1 --query 'After {favorite.rating}:' --target '{item}' named.ult 2>err
rm out
events "${rows}$(for item in 1 2 3 4; do printf '%s,100%s,3,\\n' "$(printf 'u%.0s' {1..400})" $item; done)" named.ult
expect 2 learn --steps 0 --query 'For {user}:' --target '{item}' named.ult 2>err
grep -q "prompt of .* longer" err
expect 1 grep -q 'step=' err
[[ ! -e out ]]
# What only validation asks for is no training.
events "${rows/not bad/}v,1001,3,\nv,1002,3,\nv,1003,3,\nv,1004,3,only here\nv,1005,3,\n" validation.ult
expect 3 learn --steps 4 --task review validation.ult 2>err
grep -q "nothing to train on: '{review}' is empty" err
# As text, as many events are learned with as will be told: more than 200, too.
rows=
for event in {1..290}; do
	rows+="1,$((1000 + event * event % 30)),3,\n"
done
events "$rows" one.ult
ul-pretrain -q --arch lm --dim 8 --layers 1 --heads 1 --vocab 300 --max-len 4096 --steps 0 -o wide.gguf one.ult
for history in 200 250; do
	ul-finetune -q --llm wide.gguf --inject text --history $history --tune full --steps 1 --batch 4 -o out-$history one.ult
done
expect 1 cmp -s <(numbers out-200) <(numbers out-250)
# It says why it ends early.
small data.ult
ul-finetune --llm lm.gguf -m encoder.ult --latents 2 --batch 8 --steps 40 --evaluate-every 1 --patience 2 --lr 0.5 \
	-o out data.ult 2>err
grep -q 'it ends here: 2 evaluations without a better one (--patience)' err
