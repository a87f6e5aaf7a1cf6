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
# small NAME...: data.ult, encoder.ult, lm.gguf, adapter.ult
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

make_lm() {
	need ul-pretrain
	[[ -e $CACHE/data.ult ]] || make_data "$CACHE/data.ult"
	ul-pretrain -q --arch lm --dim 16 --layers 2 --heads 2 --vocab 400 --steps 5 -o "$1" "$CACHE/data.ult"
}

make_adapter() {
	need ul-finetune
	[[ -e $CACHE/encoder.ult ]] || make_encoder "$CACHE/encoder.ult"
	[[ -e $CACHE/lm.gguf ]] || make_lm "$CACHE/lm.gguf"
	tune --llm "$CACHE/lm.gguf" -m "$CACHE/encoder.ult" -o "$1" "$CACHE/data.ult"
}

tune() {
	ul-finetune -q --latents 2 --batch 16 --steps 2 "$@"
}

# usage TOOL [OPTION]...: wrong usage is exit 2, one line that says "WORDS", which are read from $words.
usage() {
	local status=0
	"$@" 2>err >out || status=$?
	if [[ $status != 2 || $(wc -l <err) != 1 || -s out ]] || ! grep -q "^ul-[a-z]*: .*$words" err; then
		echo "$*: exit $status, does not say '$words': $(cat err)" >&2
		exit 1
	fi
	rm out
}

# The tensors of a model without its record of how it came about.
numbers() {
	local file=whole.$BASHPID
	ul-cat -q --to safetensors -o "$file" "$1"
	tail -c "+$((9 + $(od -An -tu8 -N 8 "$file")))" "$file"
	rm "$file"
}

# A real model of ../shared, or of $MODELS; without it the case is skipped.
real_model() {
	local folder=${MODELS:-$ROOT/../shared/models}
	if [[ ! -r $folder/$1 ]]; then
		echo "there is no $folder/$1 (MODELS=FOLDER names another folder)" >&2
		exit 77
	fi
	ln -sf "$folder/$1" .
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
	ul-finetune) tune --llm lm.gguf -m encoder.ult "$@" ;;
	ul-cat) "$tool" -q "$@" ;;
	esac
}

# The tools among those that are built.
readers() {
	local tool
	for tool in $TOOLS; do
		case $tool in
		ul-pretrain | ul-embed | ul-gen | ul-finetune | ul-cat) echo "$tool" ;;
		esac
	done
}
