# Every format, type and pooling: the same bytes for any number of threads, from a file or a pipe.
small data.ult encoder.ult
for format in ult safetensors npy csv jsonl; do
	for options in '--pool last' '--pool mean' '--pool none' '--pool mean --dtype f16' '--pool last --dtype i8' '--pool none --dtype bf16'; do
		# shellcheck disable=SC2086
		embed() { ul-embed -q -m encoder.ult --format $format $options "$@"; }
		status=0
		embed -T1 -o one <data.ult 2>err || status=$?
		if ((status != 0)); then # what a format cannot hold is said
			[[ $status == 2 && $(wc -l <err) == 1 && ! -e one ]] || { cat err >&2; exit 1; }
			refused+=" $format:${options// /}"
			continue
		fi
		[[ -s one ]]
		embed -T2 <data.ult | cmp one -
		embed -T3 -o three <data.ult
		cmp one three
		if [[ $format != ult && $format != safetensors ]]; then # whose records name the operand
			embed data.ult | cmp one -
		fi
		rm one
	done
done
echo "refused:${refused-}"
