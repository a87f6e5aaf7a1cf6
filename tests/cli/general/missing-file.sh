# Every tool: an input that is not there is one line that names it, and no output.
declare -A options=([ul-pretrain]='-o out' [ul-embed]='-m no-such-file' [ul-gen]='-m no-such-file --rank 1'
	[ul-finetune]='--llm no-such-file -m no-such-file -o out --task next-item' [ul-prep]='--user u --item i')
for tool in $TOOLS; do
	# shellcheck disable=SC2086
	expect 1 "$tool" ${options[$tool]-} no-such-file 2>err
	grep -q "^$tool: .*no-such-file" err || { cat err >&2; exit 1; }
	[[ ! -e out ]]
done
