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

prep() {
	ul-prep -q --feature rating=rating --items "$TESTDATA/items.csv" --feature 'genres=genres:|' \
		--text title=title "$@"
}

make_data() {
	need ul-prep
	head -n 2001 "$TESTDATA/events.csv" | prep -o "$1"
}

make_encoder() {
	need ul-pretrain
	[[ -e $CACHE/data.ult ]] || make_data "$CACHE/data.ult"
	ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 -o "$1" "$CACHE/data.ult"
}

# Every tool that reads a dataset, as a command that does so: read_data TOOL [OPTION | FILE]...
# What it writes goes to standard output, unless there is -o.
read_data() {
	local tool=$1
	shift
	case $tool in
	ul-pretrain) "$tool" -q --dim 8 --layers 1 --heads 1 --steps 2 "$@" ;;
	ul-embed) "$tool" -q -m encoder.ult "$@" ;;
	ul-gen) "$tool" -q -m encoder.ult --rank 3 "$@" ;;
	ul-cat) "$tool" -q "$@" ;;
	esac
}

# The tools among those that are built.
readers() {
	local tool
	for tool in $TOOLS; do
		case $tool in
		ul-pretrain | ul-embed | ul-gen | ul-cat) echo "$tool" ;;
		esac
	done
}
