# No text of a validation or test event is in what a language model learns from: each event's review has a word
# of its own, and a word that was learnt is one token.
need ul-prep ul-gen
word() {
	echo "$1" | tr 0-9 qjxzkvbwhm
}
{
	echo user,item,review
	for user in $(seq 1 6); do
		for event in $(seq 1 $((user + 4))); do
			own=$(word $((10000 * user + 997 * event)))
			echo "$user,i$event,$own $own $own"
		done
	done
} >reviews.csv
check() {
	local user event own events tokens items learnt=0 kept=0
	ul-prep -q --text review=review "$@" -o reviews.ult reviews.csv
	ul-pretrain --arch lm --dim 8 --layers 1 --heads 2 --vocab 4000 --steps 0 -o lm.gguf reviews.ult 2>said
	while IFS=, read -r user event own; do
		events=$((user + 4)) event=${event#i}
		tokens=$(echo " ${own%% *}" | ul-gen --llm lm.gguf --tokenize | tr , '\n' | wc -l)
		if ((event > events - 2)); then
			((tokens > 1)) || { echo "$*: event $event of user $user was learnt" >&2; exit 1; }
			kept=$((kept + 1))
		else
			((tokens == 1)) || { echo "$*: event $event of user $user is $tokens tokens" >&2; exit 1; }
			learnt=$((learnt + 1))
		fi
	done < <(sed 1d reviews.csv)
	# Of each item there are two texts.
	items=$(cut -d, -f 2 reviews.csv | sed 1d | sort -u | wc -l)
	grep -q "^ul-pretrain: $((2 * items + learnt)) texts," said
	((kept > 2 && learnt > 2))
}
check
check --split window --window 3
