# Read in by every case (BASH_ENV).  All of it is for the cases; see run.sh.

# expect STATUS COMMAND...: the command must end with just this status.
expect() {
	local wanted=$1 status=0
	shift
	"$@" || status=$?
	if ((status != wanted)); then
		echo "$*: exit $status, not $wanted" >&2
		exit 1
	fi
}

# need TOOL...: skips the case where one is not built.
need() {
	local tool
	for tool; do
		if [[ " $TOOLS " != *" $tool "* ]]; then
			echo "$tool is not built" >&2
			exit 77
		fi
	done
}

# Small inputs that many cases need: made once a run, linked to by their name.
# small NAME...: data.ult, encoder.ult
small() {
	local name
	for name; do
		[[ -e $CACHE/$name ]] || "make_${name%.*}" "$CACHE/$name"
		ln -sf "$CACHE/$name" "$name"
	done
}

make_data() {
	need ul-prep
	head -n 2001 "$TESTDATA/events.csv" |
		ul-prep -q --user user --item item --time time --feature rating=rating \
			--items "$TESTDATA/items.csv" --feature 'genres=genres:|' --text title=title -o "$1"
}

make_encoder() {
	need ul-pretrain
	[[ -e $CACHE/data.ult ]] || make_data "$CACHE/data.ult"
	ul-pretrain -q --dim 16 --layers 1 --heads 2 --steps 3 -o "$1" "$CACHE/data.ult"
}
