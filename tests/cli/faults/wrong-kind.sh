# A file of another kind than the option asks for: exit 3, one line that names it, no output.
small data.ult encoder.ult lm.gguf adapter.ult
check() {
	expect 3 "$@" -o out 2>err
	[[ $(wc -l <err) == 1 && ! -e out ]] || { cat err >&2; exit 1; }
}
printf 'user,item\n1,2\n' >events.csv
for wrong in data.ult adapter.ult lm.gguf events.csv /dev/null; do
	check ul-embed -q -m $wrong data.ult
	check ul-gen -q --rank 1 -m $wrong data.ult
	check tune --llm lm.gguf -m $wrong data.ult
done
for wrong in data.ult encoder.ult adapter.ult events.csv /dev/null; do
	check ul-gen -q --rank 1 --llm $wrong data.ult
	check tune --llm $wrong -m encoder.ult data.ult
done
for wrong in data.ult encoder.ult lm.gguf events.csv; do
	check ul-gen -q --rank 1 --llm lm.gguf -m encoder.ult -a $wrong data.ult
done
for wrong in encoder.ult adapter.ult lm.gguf events.csv /dev/null; do
	check ul-pretrain -q --steps 1 $wrong
	check ul-pretrain -q --arch lm --steps 1 $wrong
	check ul-embed -q -m encoder.ult $wrong
	check ul-gen -q --rank 1 -m encoder.ult $wrong
	check tune --llm lm.gguf -m encoder.ult $wrong
done

# What is easily confused is said by its name.
check ul-embed -q -m encoder.ult lm.gguf
grep -q 'lm.gguf: .*this is GGUF.*--llm' err
check ul-embed -q -m encoder.ult events.csv
grep -q 'events.csv: .*this looks like text.*ul-prep' err
printf '\xef\xbb\xbfuser,item\n1,2\n' >marked.csv
check ul-pretrain -q --steps 1 marked.csv
grep -q 'looks like text' err
