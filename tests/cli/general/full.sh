# Every tool: what cannot be written is a failure, not silence.
for tool in $TOOLS; do
	for option in --help --version; do
		expect 1 "$tool" "$option" >/dev/full 2>err
		grep -q "^$tool: standard output" err || { cat err >&2; exit 1; }
	done
done
