#!/usr/bin/env bash
# All tests, of what lies in $BUILD (default build), or the parts of them that are named:
#     unit          unit programs
#     cli           command lines
#     pages         manual pages
#     independent   checks by programs that share no code with the tools
#                   (tests/independent/*: exit 0 passed, 77 skipped)
#     models        checks against real models in the folder $MODELS, where there is one
# `make check` builds first.
#
# The last line is "N passed, N failed, N skipped"; exit 1 if any failed or none ran.
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=$(cd "${BUILD:-build}" && pwd) || exit 1
export BUILD
# A sanitizer that finds something kills with a signal, which no test expects.
export ASAN_OPTIONS=abort_on_error=1:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=abort_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS:-}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0

# count PASSED FAILED SKIPPED
count() {
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# unit_program PROGRAM LOG: on the CPU path that UL_CPU says.  The last line is "PASSED FAILED".
unit_program() {
	local log=$2 status good bad
	"$1" >"$log" 2>&1
	status=$?
	good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | head -n 1)
	bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | head -n 1)
	if ((status != 0)) || [[ -z $good ]]; then
		echo "FAIL unit/${1##*/}${UL_CPU:+ on $UL_CPU}: exit $status"
		tail -n 40 "$log"
		((status > 0 && status < 126 && ${bad:-0} > 0)) || bad=1
	fi
	echo "${good:-0} ${bad:-0}"
}

# Of the CPU paths, those that this machine has.
paths() {
	local path
	for path in generic avx2 avx512 amx; do
		UL_CPU=$path "$BUILD/bin/ul-cat" --list /dev/null >/dev/null 2>&1
		(($? == 2)) || echo "$path"
	done
}

# Programs that multiply, on each path; the others on the best, and where MODELS_ON says so those that have whole
# models, too: the kernels have programs of their own.  Two at a time.
unit() {
	local program path every here folder good bad number=0
	folder=$(mktemp -d)
	every=$(paths)
	for program in "$BUILD"/tests/unit/test_*; do
		[[ -x $program && ${program##*/} != *.* ]] || continue
		here=best
		! grep -q gemm_start "tests/unit/${program##*/}.c" || here=$every
		! grep -q small_models.h "tests/unit/${program##*/}.c" || here=${MODELS_ON:-$here}
		for path in $here; do
			(($(jobs -rp | wc -l) < 2)) || wait -n
			number=$((number + 1))
			(
				[[ $path == best ]] || export UL_CPU=$path
				unit_program "$program" "$folder/$number.log"
			) >"$folder/$number" &
		done
	done
	wait
	for ((; number > 0; number--)); do
		sed '$d' "$folder/$number"
		read -r good bad < <(tail -n 1 "$folder/$number")
		count "${good:-0}" "${bad:-1}" 0
	done
	rm -rf "$folder"
	if ((passed + failed == 0)); then
		echo "FAIL unit: there is no program in $BUILD/tests/unit"
		count 0 1 0
	fi
}

# A part prints its failures, and last "NAME: N passed, N failed, N skipped".
part() {
	local name good bad not
	"$@" | tee "$log"
	read -r name good bad not < <(sed -n '$s/^\([a-z]*\): \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3 \4/p' "$log")
	if [[ -z ${name:-} ]]; then
		echo "FAIL $1: it did not come to its end"
		count 0 1 0
	else
		count "$good" "$bad" "$not"
	fi
}

# A Python with NumPy, if there is one: a version manager's may hide the system's.
for PYTHON in python3 /usr/bin/python3 ''; do
	[[ -z $PYTHON ]] || "$PYTHON" -c 'import numpy' 2>/dev/null && break
done
export PYTHON

# check NAME COMMAND...
check() {
	local name=$1 status
	shift
	"$@" >"$log" 2>&1
	status=$?
	case $status in
	0) count 1 0 0 ;;
	77)
		echo "SKIP $name: $(tail -n 1 "$log")"
		count 0 0 1
		;;
	*)
		echo "FAIL $name: exit $status"
		tail -n 20 "$log"
		count 0 1 0
		;;
	esac
}

independent() {
	local script
	for script in tests/independent/*; do
		[[ ! -x $script || -d $script ]] || PATH=$BUILD/bin:$PATH TESTDATA=$PWD/testdata check "${script#tests/}" "$script"
	done
}

models() {
	local folder=${MODELS:-../shared/models} program
	for program in "$BUILD"/tests/models/check_*; do
		[[ -x $program && ${program##*/} != *.* ]] || continue
		if [[ -d $folder ]]; then
			check "models/${program##*/}" "$program" "$folder"
		else
			echo "SKIP models/${program##*/}: there is no $folder (MODELS=FOLDER names another)"
			count 0 0 1
		fi
	done
}

# Or of some tools alone: CLI_TOOLS="ul-gen ul-cat".  Leaks are looked for in the units: that takes longer than most
# command lines do.
cli() {
	# shellcheck disable=SC2086
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 part tests/cli/run.sh ${CLI_TOOLS:-}
}

pages() {
	part tests/man/check.sh
}

# Parts, side by side: hardly any keeps two cores busy.
several() {
	local name good bad not folder
	folder=$(mktemp -d)
	for name; do
		tests/run.sh "$name" >"$folder/$name" 2>&1 &
	done
	wait
	for name; do
		sed '$d' "$folder/$name"
		read -r good bad not < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$folder/$name")
		if [[ -z ${not:-} ]]; then
			tail -n 1 "$folder/$name"
			echo "FAIL $name: it did not come to its end"
			count 0 1 0
		else
			count "$good" "$bad" "$not"
		fi
	done
	rm -rf "$folder"
}

(($# > 0)) || set -- unit cli pages independent models
if (($# > 1)); then
	several "$@"
else
	"$1"
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
