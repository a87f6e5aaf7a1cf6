# The published layouts, in little: Latin-1 titles, CRLF, quoted titles, no genres.
mkdir ml-1m ml-20m
printf '2::10::5::3\n2::11::4::1\n7::10::3::2\n' >ml-1m/ratings.dat
printf '10::Caf\xe9, The (1999)::Drama|War\n11::Caf\xc3\xa9 (2000)::War\n12::None (2001)::War\n' >ml-1m/movies.dat
printf 'userId,movieId,rating,timestamp\r\n1,3,4.0,9\r\n1,4,3.5,8\r\n' >ml-20m/ratings.csv
printf 'movieId,title,genres\r\n3,"Say ""Hi"", You (1994)",(no genres listed)\r\n4,B (1995),Drama|War\r\n' \
	>ml-20m/movies.csv
for preset in ml-1m ml-20m; do
	ul-prep -q --preset "$preset" -o a.ult "$preset"
	ul-prep -q --preset "$preset" "$preset"/ratings.* >b.ult
	ul-prep -q --preset "$preset" --items "$preset"/movies.* <"$(echo "$preset"/ratings.*)" >c.ult
	zstd -dc a.ult >a
	for text in '"ul.users":"' 'rating' 'genre' '(199'; do
		grep -aqF "$text" a
	done
	# Only the names of the inputs may differ.
	ul-cat --to npy --tensor event.item a.ult >a.npy
	for other in b c; do
		ul-cat --to npy --tensor event.item "$other.ult" >"$other.npy"
		cmp a.npy "$other.npy"
	done
	if [[ $preset == ml-1m ]]; then
		grep -aqF "$(printf 'Caf\xc3\xa9 (2000)Caf\xc3\xa9, The (1999)')" a
		expect 1 grep -aqF 'None (2001)' a
	else
		grep -aqF 'B (1995)Say "Hi", You (1994)' a
		expect 1 grep -aqF 'no genres' a
	fi
done
