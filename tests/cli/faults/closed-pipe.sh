# A reader that goes away ends the writer, silently.
small data.ult encoder.ult lm.gguf
check() {
	local statuses
	set +e +o pipefail
	"$@" 2>err | true
	statuses=${PIPESTATUS[0]}
	set -e -o pipefail
	[[ $statuses == 141 || $statuses == 0 ]] && [[ ! -s err ]] || { echo "$*: $statuses" >&2; cat err >&2; exit 1; }
}
check prep "$TESTDATA/events.csv"
for tool in $(readers); do
	check read_data "$tool" data.ult
done
