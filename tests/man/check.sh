#!/usr/bin/env bash
# Manual pages: the options of a page are those of its tool's --help; mandoc finds
# nothing to warn of; what the EXAMPLES show runs.
#
# An example is a line of a literal display (.Bd -literal) in EXAMPLES that starts
# with "$ ", with the lines that follow while a line ends in a backslash.  All run
# in one folder, with testdata/ and its files in it, in the order of the pages below, so
# that a page can use what those before it made.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(cd "${BUILD:-build}" && pwd) || exit 1
export PATH=$BUILD/bin:$PATH LC_ALL=C
order='ul-prep.1 ul-pretrain.1 ul-embed.1 ul-finetune.1 ul-gen.1 ul-eval.1 ul-cat.1'
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# result WHAT REASON: an empty reason is success.
result() {
	if [[ -z $2 ]]; then
		passed=$((passed + 1))
	else
		echo "FAIL man/$1: $2"
		failed=$((failed + 1))
	fi
}

skip() {
	echo "SKIP man/$1: $2"
	skipped=$((skipped + 1))
}

# "x name" or "- name", a line an option
options_of_help() {
	"$1" --help | sed -nE 's/^  (-(.),|   ) --([a-z0-9-]+).*/\2 \3/p' | sed 's/^ /- /' | sort
}

options_of_page() {
	sed -nE 's/^\.It Fl ((.) , )?-([a-z0-9-]+)( .*)?$/\2 \3/p' "$1" | sed 's/^ /- /' | sort
}

options() {
	local tool=$1 lacking
	if [[ ! -e man/$tool.1 ]]; then
		result "$tool.1" "there is no such page"
		return
	fi
	lacking=$(diff <(options_of_help "$tool") <(options_of_page "man/$tool.1") |
		sed -nE 's/^< (.*)/ without "\1"/p; s/^> (.*)/ with "\1", which --help lacks/p' | tr '\n' ',')
	result "$tool.1: options" "${lacking%,}"
}

sections() {
	local section lacking=
	for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -q "^\.Sh $section\$" "man/$1" || lacking="$lacking $section"
	done
	result "$1: sections" "${lacking:+without$lacking}"
}

lint() {
	result "${1#man/}: lint" "$(mandoc -T lint -W warning "$1" 2>&1 | head -n 1)"
}

# The commands of a page's examples, as bash reads them.
examples_of_page() {
	awk '/^\.Sh / { examples = $2 == "EXAMPLES" }
		/^\.Bd .*-literal/ { literal = 1; next }
		/^\.Ed/ { literal = 0 }
		examples && literal && (more || /^\$ /) {
			sub(/^\$ /, "")
			gsub(/\\&/, "")
			gsub(/\\\(aq/, "\047")
			gsub(/\\\(dq/, "\"")
			gsub(/\\e/, "\\")
			more = /\\$/
			print
		}' "$1"
}

examples() {
	local page=$1 script=$work/$1.sh tool needed
	examples_of_page "man/$page" >"$script"
	needed=$(grep -oE '\bul-[a-z]+\b' "$script" | grep -E '^ul-(prep|pretrain|embed|finetune|gen|eval|cat)$' | sort -u)
	if [[ ! -s $script ]]; then
		[[ $page != *.1 ]] || result "$page: examples" "it has none that start with \"$ \""
		return
	fi
	for tool in $needed; do
		if ! [[ -x $BUILD/bin/$tool ]]; then
			skip "$page: examples" "$tool is not built"
			return
		fi
	done
	if (cd "$work/scratch" && timeout 300 bash -eux -o pipefail "$script") </dev/null >"$work/out" 2>"$work/err"; then
		result "$page: examples" ''
	else
		result "$page: examples" "exit $?: $(grep '^+' "$work/err" | tail -n 1): $(tail -n 1 "$work/err")"
	fi
}

for tool in "$BUILD"/bin/ul-*; do
	options "${tool##*/}"
done
for page in man/*.[157]; do
	[[ $page != *.1 ]] || sections "${page#man/}"
	if command -v mandoc >/dev/null; then
		lint "$page"
	else
		skip "${page#man/}: lint" "there is no mandoc"
	fi
done
mkdir "$work/scratch"
cp -r testdata testdata/*.csv "$work/scratch"
for page in $order $(cd man && echo *.[57]); do
	[[ ! -e man/$page ]] || examples "$page"
done
echo "man: $passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
