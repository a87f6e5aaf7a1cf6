# Every tool: --help and --version on stdout, exit 0; nothing on stderr.
for tool in $TOOLS; do
	"$tool" --help >long 2>err
	"$tool" -h >short
	cmp long short
	grep -q "^Usage: $tool " long
	grep -q -- '--seed N' long
	"$tool" --version >long 2>>err
	"$tool" -V >short
	cmp long short
	head -n 1 long | grep -q "^$tool (User-LLM in C) [0-9]"
	grep -q '^zstd ' long
	if [[ -s err ]]; then
		echo "$tool says something on stderr" >&2
		exit 1
	fi
done
