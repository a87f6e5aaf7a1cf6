# Short reads, a full disk, a closed pipe, a folder for a file.
cd "$CASES/ul-eval"
ul-eval -n good good.jsonl >"$CACHE/whole"
dd if=good.jsonl bs=3 status=none | ul-eval -n good | cmp - "$CACHE/whole"
expect 1 ul-eval good.jsonl >/dev/full 2>"$CACHE/err"
grep -q '^ul-eval: .*standard output.*: No space left' "$CACHE/err"
expect 1 ul-eval -o /dev/full/table good.jsonl 2>/dev/null
expect 1 ul-eval . 2>"$CACHE/err"
grep -q '^ul-eval: \.: ' "$CACHE/err"
