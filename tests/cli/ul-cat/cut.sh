# What zstd has unpacked has no end frame: where it is cut between two documents, users are missing, which every way
# of reading tells.
ul-prep -q -o data.ult "$TESTDATA/events.csv"
zstd -dcq data.ult >plain
ul-cat --check plain
header=$(od -A n -t u8 -N 8 plain)
tensors=$(tail -c +9 plain | { head -c "$header"; cat >/dev/null; } | jq '[.[] | .data_offsets? // empty | .[1]] | max')
head -c $((8 + header + tensors)) plain >cut
for ask in --check --list '--to csv --tensor event.item' '--to safetensors -o out' '-o out'; do
	# shellcheck disable=SC2086
	expect 3 ul-cat $ask cut >/dev/null 2>err
	grep -q 'cut: 0 users where the first document says 900' err
done
[[ ! -e out ]]
# One tensor has no users, whatever the whole had.
ul-cat --to safetensors --tensor event.item -o one data.ult
ul-cat --check one
ul-pretrain -q --steps 1 -o encoder.ult data.ult
ul-embed -q -m encoder.ult --pool last -o rows.ult data.ult
for tensor in embeddings user.bytes; do
	ul-cat --to safetensors --tensor $tensor rows.ult | ul-cat --check
done
# A state has users, though nobody has counted them before it is written.
ul-embed -q -m encoder.ult --state state -o rows data.ult
ul-cat --check state | grep -q ', 900 users, '
