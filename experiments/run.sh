#!/usr/bin/env bash
# One experiment: every system of SET.runs (a line: name, tab, options of ul-pretrain), trained with each seed on the
# dataset that SET.data makes, asked about the test part, and told as a table in SET.md.
#
#     [SEEDS="1 2 3"] [DATA=FOLDER] [BUILD=FOLDER] experiments/run.sh SET
#
# What has been run with the same options, data and version is kept in BUILD/experiments/SET and not run again; a
# line of the table that is not yet whole says how many seeds it has.
set -eu -o pipefail
[ $# = 1 ] || { echo 'usage: experiments/run.sh SET, or make experiment SET=ml-1m' >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
set_name=$1 seeds=${SEEDS:-1 2 3}
DATA=$(realpath "${DATA:-$here/../../shared/data}")
BUILD=$(realpath "${BUILD:-$here/../build}")
export DATA PATH=$BUILD/bin:$PATH
cd "$here"
room=$BUILD/experiments/$set_name
mkdir -p "$room"

systems() {
	grep -v -e '^#' -e '^$' "$set_name.runs"
}

[ -s "$room/data.ult" ] || { bash -eu -o pipefail "./$set_name.data" >"$room/data.new" && mv "$room/data.new" "$room/data.ult"; }

# What a result depends on, in a name that is a file's.
result_of() {
	local name=$1 seed=$2 options=$3
	echo "$room/$name.$seed.$({ echo "$options"; ul-pretrain --version; cat "$room/data.ult"; } | sha256sum | cut -c1-12).result"
}

# Metrics, seconds and peak memory of one system and seed, as an object of JSON.
run() {
	local name=$1 seed=$2 options=$3 model=$room/$1.$2
	# shellcheck disable=SC2086 # options are words
	/usr/bin/time -f '{"seconds": %e, "kib": %M}' -o "$model.time" \
		ul-pretrain -q --seed "$seed" $options --log "$model.log" -o "$model.ult" "$room/data.ult"
	ul-gen -q -m "$model.ult" --rank 10 "$room/data.ult" | gzip >"$model.jsonl.gz"
	zcat "$model.jsonl.gz" | ul-eval -q --k 1,5,10 --format json >"$model.metrics"
	jq -cs '.[0][0] + .[1]' "$model.metrics" "$model.time" >"$model.new"
	mv "$model.new" "$(result_of "$name" "$seed" "$options")"
}

# A line of the table: means over the seeds that have been run.
line() {
	local name=$1 options=$2 seed
	for seed in $seeds; do
		cat "$(result_of "$name" "$seed" "$options")" 2>/dev/null || true
	done | jq -rs --arg name "$name" --arg options "$options" '
		def mean: add / length;
		def fixed(n): . * pow(10; n) | round | tostring | (length as $l | if $l <= n then "0" * (n + 1 - $l) + . else . end) |
			if n == 0 then . else .[:-n] + "." + .[-n:] end;
		if length == 0 then empty else
		"| \($name) | `\($options)` | \(map(.["hr@1"]) | mean | fixed(4)) | \(map(.["hr@10"]) | mean | fixed(4)) " +
		"(\(map(.["hr@10"]) | min | fixed(4))–\(map(.["hr@10"]) | max | fixed(4))) | \(map(.["ndcg@10"]) | mean | fixed(4)) | " +
		"\(map(.seconds / 60) | mean | fixed(1)) | \(map(.kib / 1024) | max | fixed(0)) | \(length) |" end'
}

table() {
	local name options
	sed -n 's/^#: *//p' "$set_name.runs"
	printf '\nTest part, the full catalogue ranked, items that a user has had left out; means over seeds (HR@10: lowest–highest).\n'
	printf 'Nothing about the target, its time neither, is known to any system.\n\n'
	printf '| system | options of ul-pretrain | HR@1 | HR@10 | NDCG@10 | minutes | MiB | seeds |\n|---|---|---|---|---|---|---|---|\n'
	while IFS=$'\t' read -r name options; do
		line "$name" "$options"
	done < <(systems)
}

while IFS=$'\t' read -r name options; do
	for seed in $seeds; do
		[ -s "$(result_of "$name" "$seed" "$options")" ] && continue
		run "$name" "$seed" "$options" </dev/null
		table >"$room/table.new" && cp "$room/table.new" "$set_name.md"
	done
done < <(systems)
table >"$room/table.new" && cp "$room/table.new" "$set_name.md"
cat "$set_name.md"
