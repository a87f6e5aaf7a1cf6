# Every tool: a usage error is exit 2 and one line that names the tool and the option.
for tool in $TOOLS; do
	for wrong in --no-such-option -Z --threads=0 --threads=x --seed=-1 --seed; do
		expect 2 "$tool" "$wrong" 2>err >out
		[[ ! -s out && $(wc -l <err) == 1 ]] || expect 0 cat err
		grep -q "^$tool: .*${wrong%%=*}" err || { cat err >&2; exit 1; }
	done
done
