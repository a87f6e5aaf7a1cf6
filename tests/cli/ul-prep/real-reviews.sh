# Reviews as published, whole, where they are.
data=$ROOT/../shared/data
amazon=$data/amazon-2014-musical-instruments/reviews_Musical_Instruments_5.json.zst
google=$data/google-local-HI-MS
if [[ ! -e $amazon || ! -e $google/review-HI-MS.json.zst ]]; then
	echo "no reviews in $data" >&2
	exit 77
fi
# made WORDS: what was read is what was published.
made() {
	grep -q "wrote $1" err || { cat err >&2; exit 1; }
}
zstd -qdc --long=27 "$amazon" | ul-prep --preset amazon -o amazon.ult - 2>err
made '1429 users, 900 items, 10261 events'
zstd -qdc --long=27 "$google/review-HI-MS.json.zst" |
	ul-prep --preset google-local --items <(zstd -qdc --long=27 "$google/meta-HI-MS.json.zst") -o google.ult 2>err
made '44078 users, 551 items, 75580 events'
