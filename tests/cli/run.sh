#!/usr/bin/env bash
# Command-line tests:  tests/cli/run.sh [--update] [-v] [TOOL | TOOL/CASE]...
#
# A case is tests/cli/TOOL/CASE.sh, run by bash -eu -o pipefail, with lib.sh read
# in, in a scratch folder of its own, with the built tools in PATH.  Beside it lie
#     CASE.sh.exit           the exit status it must have; 0 without this file
#     CASE.sh.stdout.exact   what it must print, byte by byte
#     CASE.sh.stderr.glob    a pattern (as in case) that what it says must match
# Exit 77 skips a case, with its last line on stderr as the reason.  Death by a
# signal never is what was expected.  --update writes the .stdout.exact there are
# anew from what comes now: look at the difference.
set -u
cd "$(dirname "$0")" || exit 1
export CASES=$PWD ROOT=${PWD%/tests/cli}
export TESTDATA=$ROOT/testdata
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd) || exit 1
export BUILD PATH=$BUILD/bin:$PATH LC_ALL=C BASH_ENV=$CASES/lib.sh
TOOLS=$(cd "$BUILD/bin" && echo ul-*)
CACHE=$(mktemp -d)
export TOOLS CACHE
trap 'rm -rf "$CACHE"' EXIT
update=false verbose=false
passed=0 failed=0 skipped=0

failure() {
	echo "FAIL cli/$1: $2"
	failed=$((failed + 1))
	if $verbose; then
		sed 's/^/    /' "$scratch.out" "$scratch.err" | head -n 60
	fi
}

# The first line that differs, for a message of one line.
difference() {
	diff -a "$1" "$2" | sed -n 's/^[<>].*/&/p' | head -n 1 | cut -c 1-160
}

# judge CASE STATUS
# shellcheck disable=SC2053
judge() {
	local expected=0 said
	[[ ! -e $1.exit ]] || expected=$(<"$1.exit")
	said=$(<"$scratch.err")
	if (($2 == 77)); then
		echo "SKIP cli/$1: $(tail -n 1 "$scratch.err")"
		skipped=$((skipped + 1))
	elif (($2 > 123)); then
		failure "$1" "exit $2: killed, or never ended: $(tail -n 1 "$scratch.err")"
	elif (($2 != expected)); then
		failure "$1" "exit $2, not $expected: $(tail -n 1 "$scratch.err")"
	elif $update && [[ -e $1.stdout.exact ]]; then
		cp "$scratch.out" "$1.stdout.exact"
		passed=$((passed + 1))
	elif [[ -e $1.stdout.exact ]] && ! cmp -s "$scratch.out" "$1.stdout.exact"; then
		failure "$1" "other output: $(difference "$1.stdout.exact" "$scratch.out")"
	elif [[ -e $1.stderr.glob && $said != $(<"$1.stderr.glob") ]]; then
		failure "$1" "does not say what $1.stderr.glob wants: $said"
	else
		passed=$((passed + 1))
	fi
}

run_case() {
	local tool=${1%%/*}
	if [[ $tool == ul-* && " $TOOLS " != *" $tool "* ]]; then
		echo "SKIP cli/$1: $tool is not built"
		skipped=$((skipped + 1))
		return
	fi
	scratch=$CACHE/${1//\//-}
	mkdir -p "$scratch"
	(cd "$scratch" && exec timeout 300 bash -eu -o pipefail "$CASES/$1") \
		</dev/null >"$scratch.out" 2>"$scratch.err"
	judge "$1" $?
	rm -rf "$scratch" "$scratch.out" "$scratch.err"
}

wanted=()
for word; do
	case $word in
	--update) update=true ;;
	-v) verbose=true ;;
	*) wanted+=("${word%.sh}") ;;
	esac
done

for file in */*.sh; do
	if ((${#wanted[@]} == 0)); then
		run_case "$file"
		continue
	fi
	for name in "${wanted[@]}"; do
		[[ $name != "${file%.sh}" && $name != "${file%%/*}" ]] || run_case "$file"
	done
done
echo "cli: $passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
