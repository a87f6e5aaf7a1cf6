# What makes no sense is refused before anything is read.
for wrong in --k=0 --k= --k=5,1 --k=1,,2 --k=1, --k=x --k=99999999999 --format=xml --require=hr@1 \
	--require='hr@1>=2' --require='hr@1>=' --require='hr>=0.1' --require='map@3>=0.1' --require='hr@1>=0.1x'; do
	expect 2 ul-eval "$wrong" no-such-file 2>err
	[[ $(wc -l <err) == 1 ]]
done
expect 2 ul-eval --name a --name b "$CASES/ul-eval/good.jsonl" 2>err
# What a task is called leaves the terminal alone.
printf '{"user":"1","task":"\\u001b[31mred","target":"a","text":"b"}\n' >red
expect 4 ul-eval --require 'exact>=1' red 2>err >out
grep -qF "task '?[31mred'" err
