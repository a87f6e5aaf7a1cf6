# Every way to answer: the same bytes for any number of threads, from a file or a pipe.
small data.ult encoder.ult lm.gguf adapter.ult
user='--llm lm.gguf -m encoder.ult -a adapter.ult'
for way in '-m encoder.ult --rank 5' '-m encoder.ult --rank 5 --split val --keep-seen' \
	'-m encoder.ult --rank 3 --split all' '--baseline most-popular --rank 5' \
	'--baseline co-occurrence --rank 5 --split train' '--llm lm.gguf --rank 3 --limit 9' \
	'--llm lm.gguf --rank 3 --limit 5 --rank-exact' "$user --rank 3 --limit 9" \
	"$user --prompt Next --limit 3 --n-predict 9" "$user --prompt Next --limit 3 --n-predict 9 --temperature 1" \
	'-m encoder.ult --rank 2 --format text'; do
	# shellcheck disable=SC2086
	{
		ul-gen -q -T1 $way data.ult >one
		[[ -s one ]]
		ul-gen -q -T2 $way <data.ult | cmp one -
		ul-gen -q -T3 $way -o three - <data.ult
		cmp one three
	}
done
