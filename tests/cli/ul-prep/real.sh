# MovieLens-1M, whole, where it is.
data=$ROOT/../shared/data/ml-1m
if [[ ! -e $data/ratings.order.dat.zst ]]; then
	echo "no MovieLens-1M in $data" >&2
	exit 77
fi
zstd -qdc --long=27 "$data/ratings.order.dat.zst" >ratings.dat
zstd -qdc --long=27 "$data/movies.dat.zst" >movies.dat
ul-prep --preset ml-1m -o data.ult . 2>err
grep -q 'wrote 6040 users, 3706 items, 1000209 events' err
ul-prep --preset ml-1m --min-item-events 5 -o data.ult ratings.dat 2>err
grep -q 'wrote 6040 users, 3416 items, 999611 events' err
ul-prep --preset ml-1m --split window --window 50 -o data.ult ratings.dat 2>err
grep -q 'users with fewer than 52 events' err
