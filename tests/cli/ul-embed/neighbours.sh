# The commands of ul-embed(1) and the Python of README.md find neighbours, and the right ones.
small data.ult
ul-pretrain -q --dim 16 --layers 1 --heads 2 --steps 40 --lr 0.005 -o encoder.ult data.ult
ul-embed -q -m encoder.ult --items --format csv -o vectors.csv
ul-embed -q -m encoder.ult --pool last --format csv -o users.csv data.ult

# example WORDS: the command of the page that has them, without its last filters.
example() {
	awk -v words="$1" '/^\.Bd/ { text = ""; next }
		/^\.Ed/ { if (index(text, words)) printf "%s", text }
		{ sub(/^\$ /, ""); gsub(/\\e/, "\\"); text = text $0 "\n" }' "$ROOT/man/ul-embed.1" |
		sed '/^ul-embed/d'
}
example item=1034 >item.sh
example user=1 >user.sh
bash -eu item.sh >near
bash -eu user.sh >next
[[ $(wc -l <near) == 6 && $(wc -l <next) == 5 ]]
[[ $(head -n 1 near) == '1 1034' ]]

# What the encoder ranks first for the user are the nearest items.
ul-gen -q -m encoder.ult --rank 5 --split all --keep-seen data.ult | sed -n 1p >answer
grep -q '"user": "1",' answer
sed 's/.*"items": \[\([^]]*\)\].*/\1/' answer | tr -d ' "' | tr , '\n' >items
cut -d' ' -f2 next | cmp - items

command -v python3 >/dev/null || exit 0
ul-embed -q -m encoder.ult --items --format jsonl -o items.jsonl
ul-embed -q -m encoder.ult --pool last --format jsonl -o users.jsonl data.ult
sed -n '/^    import json, math, sys$/,/^$/s/^    //p' "$ROOT/README.md" >near.py
python3 near.py 1034 1 >python
# The same titles as the ids stand for, in the same order.
python3 - <<'END'
import ast, json
titles = {item["item"]: item["title"] for item in map(json.loads, open("items.jsonl"))}
for line, name, count in zip(open("python"), ("near", "next"), (6, 5)):
    expected = [titles[row.split()[1]] for row in open(name)][:5]
    word, found = line.split(" ", 1)
    assert word == name and ast.literal_eval(found) == expected, (line, expected)
END
