# Favorites, texts of events, and questions of a person's own.
awk -F, -v OFS=, 'NR == 1 { print $0, "review"; next } { print $0, ($3 > 3 ? "loved item " $2 : "") }' \
	<(head -n 2001 "$TESTDATA/events.csv") | prep --text review=review -o data.ult
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 -o encoder.ult data.ult
ul-pretrain -q --arch lm --dim 16 --layers 2 --heads 2 --vocab 400 --steps 5 -o lm.gguf data.ult
run() {
	tune --llm lm.gguf -m encoder.ult -o "$@" data.ult
}
gen() {
	ul-gen -q --llm lm.gguf -m encoder.ult --limit 9 -a "$@" data.ult
}
# A favorite is one of what items have; nothing is left out for having been seen.
run favorite.ult --task favorite
ul-cat --list favorite.ult >list
grep -q 'ul.task *favorite$' list
grep -q 'ul.query *Favorite genres:$' list
grep -q 'ul.target *{favorite.genres}$' list
classes=$(sed -n 2,2001p "$TESTDATA/events.csv" | cut -d , -f 2 | sort -u | join -t , - <(sort "$TESTDATA/items.csv") |
	sed 's/.*,//' | sort -u | wc -l)
gen favorite.ult --rank 1000 >said
[[ $(jq '.items | length' said | sort -u) == "$classes" ]]
[[ $(jq -c 'select(.task == "favorite" and .target == .items[.rank - 1])' said | wc -l) == 9 ]]
jq -r '.target' said >targets
gen favorite.ult --rank 3 --format text | sed -n 's/^  took: //p' | cmp - targets
gen favorite.ult --rank 3 --format text | grep -q '^  asked: Favorite genres:$'
words='--keep-seen is for items' usage gen favorite.ult --rank 3 --keep-seen
# In words, with what the true answer is worth.
gen favorite.ult --n-predict 5 >words
[[ $(jq -c 'select(.task == "favorite" and .nll > 0 and .tokens > 1 and (.text | type) == "string")' words | wc -l) == 9 ]]
jq -r '.target' words | cmp - targets
gen favorite.ult -T 1 --n-predict 5 --batch 2 >one
cmp one words
gen favorite.ult --query 'Liked by {user} more than all:' --rank 3 --format text | grep -q 'asked: Liked by [0-9]* more than'
# The text of an event, of those that have one.
run review.ult --task review --answer-tokens 6
ul-cat --list review.ult | grep -q 'ul.query *Review of {item}, rating {rating}:$'
gen review.ult --split test --n-predict 5 >words
[[ $(wc -l <words) == 9 ]]
jq -e -s 'all(.task == "review") and any(.target) and any(.target | not)' words
jq -e -s 'all((.target != null) == (.nll != null and .tokens <= 6))' words
words='tells of an event that is not there yet' usage gen review.ult --n-predict 5 --split all
words='no list' usage gen review.ult --rank 3
# Questions of one's own.
run own.ult --query 'What did {user} say about {item}, {{{item.genres}}}?' --target 'It is worth {rating}'
ul-cat --list own.ult | grep -q 'ul.task *template$'
gen own.ult --n-predict 3 --split val >words
jq -e -s 'all(.target | test("^It is worth [1-5]$"))' words
run rating.ult --query 'Rating of {item}:' --target '{rating}'
gen rating.ult --rank 9 --split test >said
jq -e -s 'all((.items | sort) == ["1", "2", "3", "4", "5"] and .rank > 0 and .task == "template")' said
gen own.ult --prompt "{user}" --n-predict 3 | jq -e -s 'all(.task == "prompt" and (has("target") | not))'
# What is not there, and what does not go together.
own() {
	ul-finetune --llm lm.gguf -m encoder.ult -o out "$@" data.ult
}
words='{titel} is no field of the data: there are {user}, {item}, {rating}, {favorite.rating}, {item.genres}, {favorite.genres}, {item.title}, {review}' \
	usage own --query '{titel}?' --target '{item}'
words='written twice' usage own --query '{' --target '{item}'
words='{favorite.title} is no field' usage own --task favorite --field title
words='--task goes with' usage own --task favorite --query 'x' --target '{item}'
words='--field goes with' usage own --field genres
words='--answer-tokens goes with' usage own --query 'Which?' --target '{item}' --answer-tokens 4
words='longer than the LLM' usage own --task review --answer-tokens 4000
[[ ! -e out ]]
