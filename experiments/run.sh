#!/usr/bin/env bash
# One experiment: every system of SET.runs, trained with each seed on the dataset that SET.data makes, asked about the
# test part, and told as a table in SET.md.
#
#     [SEEDS="1 2 3"] [DATA=FOLDER] [MODELS=FOLDER] [BUILD=FOLDER] experiments/run.sh [FOLDER/]SET
#
# SET.data is a script that writes the dataset to standard output.  SET.runs has a line for each system, of columns
# with a tab between them; the first column is its name, the second one of
#     OPTIONS           of ul-pretrain: an encoder
#     + OPTIONS         those of the first system, and these: the table then tells the differences to that one
#     baseline:NAME     nothing is trained, ul-gen --baseline NAME answers
#     llm: OPTIONS      of ul-finetune: an adapter; '-m {NAME}' is the model of a system before, of the same seed
#     llm:+ OPTIONS     those of the first line of this kind, and these, which win
#     llm:              nothing is trained, the LLM answers as it is
#     ask:NAME          nor here: the system NAME, of a line before, is asked something else
# and the third what is asked, as options of ul-gen: '--rank 10' where it is missing.
# A name that begins with '= ' is a figure from elsewhere, to compare with: HR@1, HR@10 and NDCG@10 ('-' where it is
# not known), and in a third column where it comes from.  Who is told when the target happens is in a league of its own:
# those with 'query-time' or 'query time' in their line.  '#:' begins a line that heads the table, '#seeds:' has the
# seeds where SEEDS does not, '#limit:' the users that are asked about where that is not all, and '#' begins a comment.
#
# SET.llm, where there are lines that need it, is a script that writes the LLM to $ROOM/llm.gguf; it finds the dataset
# in $ROOM/data.ult.  Where it also leaves texts in $ROOM/held-out.json, that the LLM did not learn from, the table
# tells the perplexity of these: what tuning cost the LLM of its language.
#
# What has been run with the same options, data and programs is kept in BUILD/experiments/SET and not run again, nor is
# a system trained again that is only asked something else; a line of the table that is not yet whole says how many
# seeds it has.
set -eu -o pipefail
[ $# = 1 ] || { echo 'usage: experiments/run.sh SET, or make experiment SET=ml-1m' >&2; exit 2; }
for needed in jq /usr/bin/time; do
	command -v "$needed" >/dev/null || { echo "experiments/run.sh: there is no $needed" >&2; exit 1; }
done
here=$(cd "$(dirname "$0")" && pwd)
set_name=${1##*/}
DATA=${DATA:-$here/../../shared/data}
[ -d "$DATA" ] ||
	{ echo "experiments/run.sh: there is no folder $DATA: experiments/README.md tells what it has" >&2; exit 1; }
DATA=$(realpath "$DATA")
MODELS=$(realpath "${MODELS:-$DATA/../models}")
BUILD=$(realpath "${BUILD:-$here/../build}")
export DATA MODELS PATH=$BUILD/bin:$PATH
case $1 in
*/*) cd "${1%/*}" ;;
*) cd "$here" ;;
esac
for needed in "$set_name.runs" "$set_name.data"; do
	[ -r "$needed" ] || { echo "experiments/run.sh: there is no $PWD/$needed" >&2; exit 1; }
done
export ROOM=$BUILD/experiments/$set_name
mkdir -p "$ROOM"

# What a line of SET.runs that begins with "#KEY: " says.
setting() {
	sed -n "s/^#$1: *//p" "$set_name.runs"
}

# A language model is trained and ranks in bf16 where the CPU multiplies it; perplexities are those of F32.
precision=()
if [[ $(ul-gen --version) == *'matrix products:'*bf16* ]]; then
	precision=(--precision bf16)
fi

seeds=${SEEDS:-$(setting seeds)}
seeds=${seeds:-1 2 3}
limit=$(setting limit)

systems() {
	grep -v -e '^#' -e '^ *$' "$set_name.runs"
}

# The options of the first system, or of the first with the LLM.
first_options() {
	systems | awk -F '\t' -v llm="$1" '
		!/^= / && $2 != "llm:" && (index($2, "llm:") == 1) == llm && !found++ { sub("^llm:", "", $2); print $2 }'
}

# A script, and those that it reads in with ". ./NAME".
script() {
	local other
	cat "$1"
	# shellcheck disable=SC2013 # names are words
	for other in $(sed -n 's#^\. \./\([^ ]*\).*#\1#p' "$1"); do
		script "$other"
	done
}

# what_makes SCRIPT FOLDER FILE...: names what comes of the script, of the folder of what is not ours, as its files are
# there now, and of files, programs among them.
what_makes() {
	{
		script "$1"
		[ ! -d "$2" ] || find -L "$2" -type f -printf '%P %s %T@\n' | sort
		cat "${@:3}"
	} | sha256sum
}

is_made() {
	[ -s "$1" ] && [ "$(cat "$1.made" 2>/dev/null)" = "$2" ]
}

of=$(what_makes "$set_name.data" "$DATA" "$BUILD/bin/ul-prep")
if ! is_made "$ROOM/data.ult" "$of"; then
	bash -eu -o pipefail "./$set_name.data" >"$ROOM/data.new"
	mv "$ROOM/data.new" "$ROOM/data.ult"
	echo "$of" >"$ROOM/data.ult.made"
fi
if [ -r "$set_name.llm" ]; then
	of=$(what_makes "$set_name.llm" "$MODELS" "$BUILD/bin/ul-pretrain" "$ROOM/data.ult")
	if ! is_made "$ROOM/llm.gguf" "$of"; then
		rm -f "$ROOM/llm.gguf.made" "$ROOM/held-out.json"
		bash -eu -o pipefail "./$set_name.llm" >&2
		echo "$of" >"$ROOM/llm.gguf.made"
	fi
fi
# A change of the programs makes results old, whatever their version says.
stamp=$(cat "$BUILD/bin/ul-pretrain" "$ROOM/data.ult" | sha256sum)
llm_stamp=$(cat "$BUILD/bin/ul-finetune" "$ROOM/llm.gguf" 2>/dev/null | sha256sum || true)
answer_stamp=$(cat "$BUILD"/bin/ul-{gen,eval} "$ROOM/held-out.json" 2>/dev/null | sha256sum || true)
base=$(first_options 0)
llm_base=$(first_options 1)

# The options as they are given to ul-pretrain or ul-finetune, without the models' places.
whole() {
	case $1 in
	'llm:+ '*) echo "$llm_base ${1#llm:+ }" ;;
	llm:*) echo "${1#llm:}" ;;
	'+ '*) echo "$base ${1#+ }" ;;
	*) echo "$1" ;;
	esac
}

# The options of a system that another one names.
options_of() {
	systems | awk -F '\t' -v name="$1" '$1 == name && !found++ { print $2 } END { exit !found }' ||
		{ echo "experiments/run.sh: there is no system '$1', which another one names" >&2; exit 1; }
}

# The systems that options name, a line each.
named_in() {
	case $1 in
	ask:*) echo "${1#ask:}" ;;
	*) grep -oE -e '-m \{[^}]*\}' <<<"$(whole "$1")" | sed 's/^-m {//; s/}$//' || true ;;
	esac
}

# All that a system is made of, what it names among it.
made_of() {
	local name options
	whole "$1"
	while IFS= read -r name; do
		options=$(options_of "$name")
		made_of "$options"
	done < <(named_in "$1")
}

by_llm() {
	case $1 in
	ask:*) by_llm "$(options_of "${1#ask:}")" ;;
	*) [[ $1 == llm:* ]] ;;
	esac
}

file_of() {
	echo "$ROOM/${1//[^[:alnum:]._-]/-}.$2"
}

# What a trained system depends on.
training_of() {
	local options=$1 of=$stamp
	[[ $options != llm:* && $options != ask:* ]] || of+=$llm_stamp
	echo "$(made_of "$options") $of" | sha256sum
}

# And what it answers, in a name that is a file's.
result_of() {
	local name=$1 seed=$2 options=$3 asked=$4 how=
	if by_llm "$options"; then
		how=${precision[*]}
	fi
	echo "$(file_of "$name" "$seed").$(echo "$(training_of "$options") $asked $limit $how $answer_stamp" |
		sha256sum | cut -c1-12).result"
}

# Those that a system is run with: nothing is random of what is not trained.
seeds_of() {
	case $1 in
	baseline:* | llm:) echo 1 ;;
	ask:*) seeds_of "$(options_of "${1#ask:}")" ;;
	*) echo "$seeds" ;;
	esac
}

# timed FILE COMMAND...: seconds, peak of memory and the weights that it says it trains, as an object of JSON.
timed() {
	local file=$1 status=0
	shift
	/usr/bin/time -f '{"seconds": %e, "kib": %M}' -o "$file.spent" "$@" 2>"$file.said" || status=$?
	if ((status != 0)); then
		cat "$file.said" >&2
		return "$status"
	fi
	jq -c --arg weights "$(sed -n 's/.*[ :]\([0-9]*\) weights.*/\1/p' "$file.said" | head -n 1)" \
		'. + {weights: ($weights | tonumber? // null)}' "$file.spent" >"$file"
}

# Trains a system that another one needs.
train_before() {
	local options who=()
	options=$(options_of "$1")
	train "$1" "$2" "$options"
}

# Trains a system, where that has not been done, and before it those that it names; who then answers goes to the array
# `who`, and for those that ask later to a file, a word a line.
train() {
	local name=$1 seed=$2 options=$3 model words before i
	model=$(file_of "$name" "$seed")
	readarray -t before < <(named_in "$options")
	for ((i = 0; i < ${#before[@]}; i++)); do
		[[ $options == ask:* || ${before[i]} != *' '* ]] ||
			{ echo "experiments/run.sh: -m {${before[i]}}: a name that another one has is one word" >&2; exit 1; }
		train_before "${before[i]}" "$seed"
	done
	if [ "$(cat "$model.trained" 2>/dev/null)" = "$(training_of "$options")" ]; then
		readarray -t who <"$model.who"
		return
	fi
	rm -f "$model.trained"
	read -ra words < <(whole "$options")
	echo '{}' >"$model.time"
	case $options in
	baseline:*) who=(--baseline "${options#baseline:}") ;;
	ask:*) readarray -t who <"$(file_of "${options#ask:}" "$seed").who" ;;
	llm:) who=(--llm "$ROOM/llm.gguf") ;;
	llm:*)
		who=(--llm "$ROOM/llm.gguf" -a "$model.ult")
		for ((i = 0; i < ${#words[@]}; i++)); do
			if [[ ${words[i]} == -m ]]; then
				words[i + 1]=$(file_of "$(tr -d '{}' <<<"${words[i + 1]}")" "$seed").ult
				who+=(-m "${words[i + 1]}")
			fi
		done
		timed "$model.time" ul-finetune --seed "$seed" --llm "$ROOM/llm.gguf" "${words[@]}" \
			--log "$model.log" -o "$model.ult" "$ROOM/data.ult"
		;;
	*)
		who=(-m "$model.ult")
		timed "$model.time" ul-pretrain --seed "$seed" "${words[@]}" --log "$model.log" -o "$model.ult" "$ROOM/data.ult"
		;;
	esac
	printf '%s\n' "${who[@]}" >"$model.who"
	training_of "$options" >"$model.trained"
}

# What tuning left the LLM of its language: the perplexity of texts that it never saw, as an object of JSON.
language() {
	if [[ $1 != llm:* || ! -s $ROOM/held-out.json ]]; then
		echo '{}'
		return
	fi
	ul-gen -q "${who[@]}" --perplexity "$ROOM/held-out.json" | ul-eval -q --format json |
		jq -c '{language: .[0].perplexity}'
}

# What it takes to know a user, until the LLM begins to answer: the encoder, the adapter and the prompt.
reading() {
	jq -c --arg users "$2" '[.phases | .encoder, .adapter, .prompt] | {
		reading: (map(.flops) | add / ($users | tonumber) / 1e6),
		waiting: (map(.seconds) | add / ($users | tonumber) * 1e3)}' "$1"
}

# Metrics, seconds and peak memory of one system and seed, as an object of JSON.
run() {
	local name=$1 seed=$2 options=$3 asked=$4 model who=() how=()
	model=$(file_of "$name" "$seed")
	train "$name" "$seed" "$options"
	if by_llm "$options"; then
		how=("${precision[@]}")
	fi
	# shellcheck disable=SC2086 # what is asked is words
	ul-gen -q "${who[@]}" "${how[@]}" ${asked:---rank 10} ${limit:+--limit "$limit"} --profile "$model.cost" \
		"$ROOM/data.ult" | gzip >"$model.jsonl.gz"
	zcat "$model.jsonl.gz" | ul-eval -q --k 1,5,10 --format json >"$model.metrics"
	language "$options" >"$model.language"
	reading "$model.cost" "$(zcat "$model.jsonl.gz" | wc -l)" >"$model.reading"
	jq -cs '.[0][0] + .[1] + .[2] + .[3]' "$model".{metrics,time,language,reading} >"$model.new"
	mv "$model.new" "$(result_of "$name" "$seed" "$options" "$asked")"
}

# A system with the results that there are, or a figure from elsewhere, as an object of JSON.
line() {
	local name=$1 options=$2 third=$3 seed file files=()
	if [[ $name == '= '* ]]; then
		jq -nc --arg name "${name#= }" --arg options "$third" --arg numbers "$options" '
			$numbers | split(" ") | map(tonumber? // null) as [$hr1, $hr10, $ndcg] |
			{$name, $options, elsewhere: true, results: [{"hr@1": $hr1, "hr@10": $hr10, "ndcg@10": $ndcg}]}'
		return
	fi
	for seed in $(seeds_of "$options"); do
		file=$(result_of "$name" "$seed" "$options" "$third")
		[ ! -s "$file" ] || files+=("$file")
	done
	jq -sc --arg name "$name" --arg options "$options" '{$name, $options, results: .}' "${files[@]:-/dev/null}"
}

table() {
	local name options third
	{
		sed -n 's/^#: \{0,1\}//p' "$set_name.runs"
		echo
		while IFS=$'\t' read -r name options third; do
			line "$name" "$options" "$third"
		done < <(systems) | jq -rs --arg limit "$limit" -f "$here/table.jq"
	} >"$ROOM/table.new"
	cp "$ROOM/table.new" "$set_name.md"
}

while IFS=$'\t' read -r name options asked; do
	[[ $name != '= '* ]] || continue
	for seed in $(seeds_of "$options"); do
		[ ! -s "$(result_of "$name" "$seed" "$options" "$asked")" ] || continue
		run "$name" "$seed" "$options" "$asked" </dev/null
		table
	done
done < <(systems)
table
cat "$set_name.md"
