small data.ult encoder.ult
words='-m ENCODER' usage ul-embed data.ult
words=--pool usage ul-embed -m encoder.ult --pool max data.ult
words=format usage ul-embed -m encoder.ult --format xml data.ult
words=--dtype usage ul-embed -m encoder.ult --dtype f64 data.ult
for shard in 0/2 3/2 1 1/ /2 1/2x -1/2 1/-2 x/2 ' 1/2' 1/0; do
	words=--shard usage ul-embed -m encoder.ult --shard "$shard" data.ult
done
words=other usage ul-embed -m encoder.ult data.ult other
# Data without a feature that the encoder reads.
head -n 100 "$TESTDATA/events.csv" | ul-prep -q -o bare.ult
words="'rating'" usage ul-embed -m encoder.ult -o out bare.ult
[[ ! -e out ]]
