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

def numbers: .results as $results | {
	hr1: ($results | map(.["hr@1"]) | mean),
	hr10: ($results | map(.["hr@10"]) | mean),
	spread: (if $results | length < 2 then "" else
		$results | map(.["hr@10"]) | " (\(min | fixed(4))–\(max | fixed(4)))" end),
	ndcg: ($results | map(.["ndcg@10"]) | mean),
	seconds: ($results | map(.seconds) | mean),
	mib: ($results | map(.kib) | if mean == null then null else max / 1024 end),
	seeds: (if $results[0].seconds == null then "–" else ($results | length) end)
};

def way:
	if .elsewhere then .options
	elif .options | startswith("baseline:") then "`ul-gen --baseline \(.options[9:])`"
	else "`\(.options)`" end;

def row: "| " + join(" | ") + " |";

map(select(.results | length > 0)) as $lines
| any(.[]; .options | startswith("+ ")) as $differences
| (.[0] | numbers) as $base
| "Test part, the full catalogue ranked, items that a user has had left out; means over seeds (HR@10: lowest–highest).",
"League: whether a system is told when the target happens (with query time); nothing else of it is known to any.",
"Minutes are those of training, by the clock, on a machine that had other work at times; MiB the peak of its memory.",
"",
(["system", "options of ul-pretrain", "league", "HR@1", "HR@10", "NDCG@10", "minutes", "MiB", "seeds"]
	+ if $differences then ["ΔNDCG@10", "× time"] else [] end
	| row, "|" + "---|" * length),
($lines[] | numbers as $n
	| [.name, way, (if .options | test("query.time") then "with query time" else "without query time" end),
		($n.hr1 | fixed(4)), ($n.hr10 | fixed(4)) + $n.spread, ($n.ndcg | fixed(4)),
		(if $n.seconds then $n.seconds / 60 else null end | fixed(1)), ($n.mib | fixed(0)), ($n.seeds | tostring)]
	+ if $differences then [
		(if .elsewhere or $base.ndcg == null then null else $n.ndcg - $base.ndcg end | signed(4)),
		(if $n.seconds and $base.seconds then $n.seconds / $base.seconds else null end | fixed(2))] else [] end
	| row)
