# Rows that have the metric must meet what is asked for; a file of which none has it does not meet it.
cd "$CASES/ul-eval"
ul-eval -q -r 'perplexity<=2.72' -r 'perplexity>=2.71' -r 'rouge1-stem<=1' -r 'distinct2>=0' -r 'hr@1>=1' \
	-r 'ROUGEL<=0.75' texts.jsonl >/dev/null
expect 4 ul-eval -q -r 'perplexity<=2.7' -r 'exact>=0.3' texts.jsonl >/dev/null
expect 4 ul-eval -q -r 'perplexity<=100' good.jsonl >/dev/null
for wrong in 'rouge1<=2' 'perplexity<=-1' 'perplexity<=inf' 'perplexity=5' 'perplexity<5' 'perplexity<=' 'rouge@1>=0.1' 'rouge4>=0.1'; do
	expect 2 ul-eval --require "$wrong" no-such-file 2>"$CACHE/err"
	[[ $(wc -l <"$CACHE/err") == 1 ]]
done
