# The table of an experiment: an array of objects, as run.sh has them, to Markdown.

def fixed(n):
	if . == null then "–" else
		(if . < 0 then "-" else "" end) +
		(fabs * pow(10; n) | round | tostring
			| if length <= n then "0" * (n + 1 - length) + . else . end
			| if n == 0 then . else .[:-n] + "." + .[-n:] end)
	end;

def signed(n): if . == null then "–" elif . >= 0 then "+" + fixed(n) else fixed(n) end;

# Of an array of which none is null.
def mean: if length == 0 or any(. == null) then null else add / length end;

# The metrics that a table may have: of rankings, of texts, and what the LLM has kept of its language.
def metrics: [
	["hr@1", "HR@1", 4], ["hr@10", "HR@10", 4], ["ndcg@10", "NDCG@10", 4],
	["exact", "exact", 4], ["rouge1", "ROUGE-1", 4], ["rouge2", "ROUGE-2", 4], ["rougeL", "ROUGE-L", 4],
	["perplexity", "perplexity", 2], ["language", "perplexity of its language", 2],
	["reading", "MFLOP a user", 1], ["waiting", "ms a user", 2]
];

def numbers: .results as $results | {
	metrics: (metrics | map({key: .[0], value: (.[0] as $name | $results | map(.[$name]) | mean)}) | from_entries),
	seconds: ($results | map(.seconds) | mean),
	weights: ($results | map(.weights) | mean),
	mib: ($results | map(.kib) | if mean == null then null else max / 1024 end),
	seeds: (if $results[0].seconds == null then "–" else ($results | length) end)
};

# The lowest and the highest of several seeds, of the metrics that are told so.
def spread($name; $digits): map(.[$name])
	| if length < 2 or any(. == null) or ($name | IN("hr@10", "rougeL", "perplexity") | not) then ""
	  else " (\(min | fixed($digits))–\(max | fixed($digits)))" end;

def way:
	if .elsewhere then .options
	elif .options | startswith("baseline:") then "`ul-gen --baseline \(.options[9:])`"
	elif .options == "llm:" then "the LLM as it is"
	elif .options | startswith("ask:") then "\(.options[4:]), asked in another way"
	elif .options | startswith("llm:") then "LLM, `\(.options[4:] | ltrimstr(" "))`"
	else "`\(.options)`" end;

def row: "| " + join(" | ") + " |";

map(select(.results | length > 0)) as $lines
| any(.[]; .options | startswith("+ ")) as $differences
| any(.[]; .options | startswith("llm:")) as $llm
| any(.[]; .options | test("query.time")) as $leagues
| (metrics | map(select($llm or (.[0] != "reading" and .[0] != "waiting")) | select(.[0] as $name | $lines | any(.[].results[]; .[$name] != null)))) as $columns
| (.[0] | numbers) as $base
| "Test part, \(if $limit == "" then "" else "the first \($limit) users, " end)the full catalogue ranked, items that a user has had left out; means over seeds (in brackets the lowest and the highest).",
(if $leagues then "League: whether a system is told when the target happens (with query time); nothing else of it is known to any." else empty end),
(if $llm then "Options are of `ul-pretrain`, and of `ul-finetune` where it says LLM; `+` adds to those of the first line of its kind.",
	"Weights are those that were trained, in millions.  MFLOP and milliseconds a user: until the LLM begins to answer." else empty end),
"Minutes are those of training, by the clock, on a machine that had other work at times; MiB the peak of its memory.",
"",
(["system", "options" + if $llm then "" else " of ul-pretrain" end] + (if $leagues then ["league"] else [] end)
	+ ($columns | map(.[1])) + (if $llm then ["weights"] else [] end) + ["minutes", "MiB", "seeds"]
	+ if $differences then ["ΔNDCG@10", "× time"] else [] end
	| row, "|" + "---|" * length),
($lines[] | numbers as $n | .results as $results
	| [.name, way]
	+ (if $leagues then [if .options | test("query.time") then "with query time" else "without query time" end] else [] end)
	+ ($columns | map(. as [$name, $title, $digits] | ($n.metrics[$name] | fixed($digits))
		+ ($results | spread($name; $digits))))
	+ (if $llm then [(if $n.weights then $n.weights / 1e6 else null end | fixed(2))] else [] end)
	+ [(if $n.seconds then $n.seconds / 60 else null end | fixed(1)), ($n.mib | fixed(0)), ($n.seeds | tostring)]
	+ if $differences then [
		(if .elsewhere or $base.metrics["ndcg@10"] == null then null else $n.metrics["ndcg@10"] - $base.metrics["ndcg@10"] end | signed(4)),
		(if $n.seconds and $base.seconds then $n.seconds / $base.seconds else null end | fixed(2))] else [] end
	| row)
