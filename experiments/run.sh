#!/usr/bin/env bash
# One experiment: every system of SET.runs, trained with each seed on the dataset that SET.data makes, asked about the
# test part, and told as a table in SET.md.
#
#     [SEEDS="1 2 3"] [DATA=FOLDER] [BUILD=FOLDER] experiments/run.sh [FOLDER/]SET
#
# SET.data is a script that writes the dataset to standard output.  SET.runs has a line for each system, of columns
# with a tab between them; the first column is its name, the second one of
#     OPTIONS           of ul-pretrain
#     + OPTIONS         those of the first system, and these: the table then tells the differences to that one
#     baseline:NAME     nothing is trained, ul-gen --baseline NAME answers
# A name that begins with '= ' is a figure from elsewhere, to compare with: HR@1, HR@10 and NDCG@10 ('-' where it is
# not known), and in a third column where it comes from.  Who is told when the target happens is in a league of its own:
# those with 'query-time' or 'query time' in their line.  '#:' begins a line that heads the table, '#seeds:' has the
# seeds where SEEDS does not, and '#' begins a comment.
#
# What has been run with the same options, data and programs is kept in BUILD/experiments/SET and not run again; a
# line of the table that is not yet whole says how many seeds it has.
set -eu -o pipefail
[ $# = 1 ] || { echo 'usage: experiments/run.sh SET, or make experiment SET=ml-1m' >&2; exit 2; }
for needed in jq /usr/bin/time; do
	command -v "$needed" >/dev/null || { echo "experiments/run.sh: there is no $needed" >&2; exit 1; }
done
here=$(cd "$(dirname "$0")" && pwd)
set_name=${1##*/}
DATA=$(realpath "${DATA:-$here/../../shared/data}")
BUILD=$(realpath "${BUILD:-$here/../build}")
export DATA PATH=$BUILD/bin:$PATH
case $1 in
*/*) cd "${1%/*}" ;;
*) cd "$here" ;;
esac
for needed in "$set_name.runs" "$set_name.data"; do
	[ -r "$needed" ] || { echo "experiments/run.sh: there is no $PWD/$needed" >&2; exit 1; }
done
room=$BUILD/experiments/$set_name
mkdir -p "$room"

seeds=${SEEDS:-$(sed -n 's/^#seeds: *//p' "$set_name.runs")}
seeds=${seeds:-1 2 3}

systems() {
	grep -v -e '^#' -e '^ *$' "$set_name.runs"
}

if [ ! -s "$room/data.ult" ] || [ "$set_name.data" -nt "$room/data.ult" ]; then
	bash -eu -o pipefail "./$set_name.data" >"$room/data.new"
	mv "$room/data.new" "$room/data.ult"
fi
# A change of the programs makes results old, whatever their version says.
stamp=$(cat "$BUILD"/bin/ul-{pretrain,gen,eval} "$room/data.ult" | sha256sum)
base=$(systems | awk -F '\t' '!/^= / && !lines++ { print $2 }')

# The options as they are given to ul-pretrain.
whole() {
	case $1 in
	'+ '*) echo "$base ${1#+ }" ;;
	*) echo "$1" ;;
	esac
}

# What a result depends on, in a name that is a file's.
result_of() {
	local name=$1 seed=$2 options=$3
	echo "$room/${name//[^[:alnum:]._-]/-}.$seed.$(echo "$(whole "$options") $stamp" | sha256sum | cut -c1-12).result"
}

# Those that a system is run with: nothing is random of what is not trained.
seeds_of() {
	case $1 in
	baseline:*) echo 1 ;;
	*) echo "$seeds" ;;
	esac
}

# Metrics, seconds and peak memory of one system and seed, as an object of JSON.
run() {
	local name=$1 seed=$2 options=$3 who model
	model=$room/${name//[^[:alnum:]._-]/-}.$seed
	case $options in
	baseline:*)
		who=(--baseline "${options#baseline:}")
		echo '{}' >"$model.time"
		;;
	*)
		who=(-m "$model.ult")
		# shellcheck disable=SC2046 # options are words
		/usr/bin/time -f '{"seconds": %e, "kib": %M}' -o "$model.time" \
			ul-pretrain -q --seed "$seed" $(whole "$options") --log "$model.log" -o "$model.ult" "$room/data.ult"
		;;
	esac
	ul-gen -q "${who[@]}" --rank 10 "$room/data.ult" | gzip >"$model.jsonl.gz"
	zcat "$model.jsonl.gz" | ul-eval -q --k 1,5,10 --format json >"$model.metrics"
	jq -cs '.[0][0] + .[1]' "$model.metrics" "$model.time" >"$model.new"
	mv "$model.new" "$(result_of "$name" "$seed" "$options")"
}

# A system with the results that there are, or a figure from elsewhere, as an object of JSON.
line() {
	local name=$1 options=$2 source=$3 seed file files=()
	if [[ $name == '= '* ]]; then
		jq -nc --arg name "${name#= }" --arg options "$source" --arg numbers "$options" '
			$numbers | split(" ") | map(tonumber? // null) as [$hr1, $hr10, $ndcg] |
			{$name, $options, elsewhere: true, results: [{"hr@1": $hr1, "hr@10": $hr10, "ndcg@10": $ndcg}]}'
		return
	fi
	for seed in $(seeds_of "$options"); do
		file=$(result_of "$name" "$seed" "$options")
		[ ! -s "$file" ] || files+=("$file")
	done
	jq -sc --arg name "$name" --arg options "$options" '{$name, $options, results: .}' "${files[@]:-/dev/null}"
}

table() {
	local name options source
	{
		sed -n 's/^#: \{0,1\}//p' "$set_name.runs"
		echo
		while IFS=$'\t' read -r name options source; do
			line "$name" "$options" "$source"
		done < <(systems) | jq -rs -f "$here/table.jq"
	} >"$room/table.new"
	cp "$room/table.new" "$set_name.md"
}

while IFS=$'\t' read -r name options _; do
	[[ $name != '= '* ]] || continue
	for seed in $(seeds_of "$options"); do
		[ ! -s "$(result_of "$name" "$seed" "$options")" ] || continue
		run "$name" "$seed" "$options" </dev/null
		table
	done
done < <(systems)
table
cat "$set_name.md"
