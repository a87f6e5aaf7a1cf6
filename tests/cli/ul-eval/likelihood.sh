# What texts are worth to a model, before and after: exp(sum of nll / sum of tokens), of nobody's answers.
printf '{"task": "text", "nll": %s, "tokens": %s}\n' 10 4 2 2 >before
printf '{"task": "text", "nll": %s, "tokens": %s}\n' 14 6 >after
ul-eval -q --format json before after >said
jq -e '.[0].perplexity - (2 | exp) | fabs < 1e-3' said
jq -e '.[1].n == 1 and (.[1].perplexity - (14 / 6 | exp) | fabs < 1e-3) and (.[1] | has("hr@1") or has("exact") | not)' said
ul-eval -q --require 'perplexity<=10.4' after
ul-eval -q --format json --baseline before before | jq -e '.[0].baseline.difference.perplexity == 0'
expect 3 ul-eval -q --baseline before after 2>err
grep -q 'are no baseline' err
expect 4 ul-eval -q --require 'perplexity<=10.2' after
printf '{"task": "text", "tokens": 4}\n' | expect 3 ul-eval 2>err
grep -q 'line 1: no "user", nor a "nll"' err
printf '{"nll": 3, "tokens": 4}\n' | expect 3 ul-eval 2>err
grep -q 'line 1: no "task"' err
# A mark of UTF-8, blank lines and CR are no matter.
{
	printf '\xef\xbb\xbf'
	sed 's/$/\r/' before
	printf '\n  \n'
} >odd
ul-eval -q --format json odd | jq -e '.[0].perplexity - (2 | exp) | fabs < 1e-3'
# A text of one token is worth nothing to a model that begins texts with none.
printf '{"task": "text", "nll": 0, "tokens": 0}\n' >none
ul-eval -q --format json <(cat none before) | jq -e '.[0].n == 3 and (.[0].perplexity - (2 | exp) | fabs < 1e-3)'
ul-eval -q --format json none | jq -e '.[0].n == 1 and .[0].perplexity == null'
expect 4 ul-eval -q --require 'perplexity<=10' none 2>err
