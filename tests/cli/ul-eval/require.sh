# Means: hr@1 0.25, hr@2 0.25, mrr (1 + 1/3 + 1/10) / 4 = 0.358333.
cd "$CASES/ul-eval"
ul-eval -q --require 'hr@1>=0.25' --require 'mrr>=0.3583' --require 'HR@10>=.75' good.jsonl >/dev/null
expect 4 ul-eval --name a --name b --require 'hr@2>=0.26' --require 'mrr>=0.1' good.jsonl worse.jsonl
