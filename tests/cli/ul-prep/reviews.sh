# Amazon's and Google's reviews as they are published: files in a directory, by name, and by pipes.
# said PATTERN: on standard error
said() {
	grep -q "^ul-prep: .*$1" err || { cat err >&2; exit 1; }
}
# same ONE OTHER: the same events with the same texts and times
same() {
	local tensor
	for tensor in event.item event.time event.review.bytes item.title.bytes; do
		ul-cat -q --to npy --tensor "$tensor" "$1" >one.npy
		ul-cat -q --to npy --tensor "$tensor" "$2" >other.npy
		cmp one.npy other.npy
	done
}

mkdir 2014 2023 google
cat >2014/reviews_Toys_5.json <<'END'
{"reviewerID": "U", "asin": "B2", "reviewText": "Fine.", "overall": 4.0, "summary": "Ok", "unixReviewTime": 1400000000}
{"reviewerID": "U", "asin": "B1", "reviewText": "Wow.", "overall": 5.0, "summary": "Great", "unixReviewTime": 1300000000}
END
cat >2014/meta_Toys.json <<'END'
{'asin': 'B1', 'title': "Tom's", 'categories': [['Toys', 'Games'], ['Toys']]}
{'asin': 'B2', u'title': u'Caf\xe9', 'brand': None, 'categories': [['Toys']]}
END
cat >2023/Toys.jsonl <<'END'
{"rating": 4.0, "title": "Ok", "text": "Fine.", "parent_asin": "B2", "asin": "V", "user_id": "U", "timestamp": 1400000000123}
{"rating": 5.0, "title": "Great", "text": "Wow.", "parent_asin": "B1", "asin": "W", "user_id": "U", "timestamp": 1300000000456}
END
cat >2023/meta_Toys.jsonl <<'END'
{"title": "Tom's", "store": null, "categories": ["Toys", "Games"], "parent_asin": "B1"}
{"title": "Café", "store": null, "categories": ["Toys"], "parent_asin": "B2"}
END
cat >google/review-Hawaii_10.json <<'END'
{"user_id": "1", "name": "Ann", "time": 1500000000001, "rating": 4, "text": null, "gmap_id": "0x1:0x2"}
END
cat >google/meta-Hawaii.json <<'END'
{"name": "Pier", "gmap_id": "0x1:0x2", "category": null}
END

ul-prep --preset amazon -o 2014.ult 2014 2>err
said 'columns: user=reviewerID item=asin time=unixReviewTime$'
said 'feature category of the item: 2 values, several at a time'
said 'feature brand of the item'
ul-prep --preset amazon -o 2023.ult 2023 2>err
said 'columns: user=user_id item=parent_asin time=timestamp, in milliseconds$'
same 2014.ult 2023.ult
ul-prep --preset google-local -o google.ult google 2>err
said 'columns: user=user_id item=gmap_id time=time, in milliseconds$'

# Compressed, by pipes; without an item table, which is said.
gzip -k 2014/*.json
zcat 2014/reviews_Toys_5.json.gz | ul-prep -q --preset amazon --items <(zcat 2014/meta_Toys.json.gz) -o piped.ult -
same 2014.ult piped.ult
ul-prep --preset amazon -o bare.ult 2023/Toys.jsonl 2>err
said 'no item table (--items): items are known by their ids alone'
[[ $(ul-cat --list bare.ult) != *item.title* ]]

# What is wrong is told with its place, and what cannot be known is asked for.
# wrong STATUS PATTERN OPTION...
wrong() {
	expect "$1" ul-prep -o out "${@:3}" 2>err
	said "$2"
	[[ $(wc -l <err) == 1 && ! -e out ]]
}
echo "{'asin': 'B3', 'title': 'A'B'}" >>2014/meta_Toys.json
wrong 3 '2014/meta_Toys.json: line 3: column 28: no , or } here' --preset amazon 2014
wrong 3 'compressed with gzip: zcat 2014/meta_Toys.json.gz' --preset amazon --items 2014/meta_Toys.json.gz 2014
wrong 2 "no column 'reviewerID|user_id' for --user; there are" --preset amazon 2014/meta_Toys.json
wrong 2 "no column 'category|categories'" --preset amazon --items 2023/Toys.jsonl 2023
cp 2023/Toys.jsonl 2023/Games.jsonl
wrong 2 '2023: 2 files may be the reviews, such as Games.jsonl: give FILE' --preset amazon 2023
ul-prep -q --preset amazon --items 2023/meta_Toys.jsonl -o out 2023/Toys.jsonl
rm out google/review*
wrong 2 'google: there are no reviews here' --preset google-local google

# User-LLM's protocol: of 50, 51, 52 and 53 events those of 52 and more stay, and they have a window
# of 50 for the test, ending with the last event, one for validation, and one or more for training.
for count in 50 51 52 53; do
	for ((i = count; i > 0; i--)); do # not in order of time
		echo "{\"user_id\": \"u$count\", \"gmap_id\": \"p$i\", \"time\": ${i}000, \"rating\": 5, \"text\": \"t$i\"}"
	done
done >reviews.json
ul-prep --preset google-local --split window -o windows.ult reviews.json 2>err
said 'dropped 2 users with fewer than 52 events: 101 events'
said 'wrote 2 users, 53 items, 105 events'
ul-cat --list windows.ult | grep -q 'ul.window *50$'
# One's own options come before what the preset says.
printf '{"reviewerID": "u", "asin": "a", "overall": 4, "verified": true, "reviewText": "x", "summary": "y", "unixReviewTime": 5}\n' |
	ul-prep -q --preset amazon --text summary=reviewText -o own.ult
[[ $(ul-cat --list own.ult | grep -o '"name":"summary"' | wc -l) == 1 ]]
