# An encoder of some of the features has those alone, and is used with data that lacks the others.
small data.ult
train="ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2"
$train --features genres --log log -o genres.ult data.ult
ul-cat --list genres.ult >list
grep -q 'enc.embed.genres' list
expect 1 grep -q rating list
grep -q '"loss_genres"' log
expect 1 grep -q loss_rating log
head -n 2001 "$TESTDATA/events.csv" | ul-prep -q --items "$TESTDATA/items.csv" --feature 'genres=genres:|' -o lacks.ult
ul-embed -q -m genres.ult --pool last --format csv data.ult >rows
ul-embed -q -m genres.ult --pool last --format csv lacks.ult | cmp - rows
$train --features none -o none.ult data.ult
head -n 2001 "$TESTDATA/events.csv" | ul-prep -q -o items.ult
ul-gen -q -m none.ult --rank 3 items.ult >answers
[[ -s answers ]]
$train --features all -o all.ult data.ult
words=rating usage ul-gen -q -m all.ult --rank 3 lacks.ult
words="no feature 'colour': it has rating, genres" usage $train --features genres,colour -o out data.ult
words="no feature 'rating': it has none" usage $train --features rating -o out items.ult
words="no feature ''" usage $train --features '' -o out data.ult
