# What is packed, or UTF-16, is said to be so, with the program that makes text of it.
# packed WORDS FILE
packed() {
	expect 3 ul-prep -o out "$2" 2>err
	grep -q "^ul-prep: $2: this is $1 $2 | ul-prep" err || { cat err >&2; exit 1; }
	[[ $(wc -l <err) == 1 && ! -e out ]]
}
head -n 9 "$TESTDATA/events.csv" >rows.csv
gzip -k rows.csv
zstd -q rows.csv
iconv -f UTF-8 -t UTF-16 rows.csv >wide.csv
packed 'compressed with gzip: zcat' rows.csv.gz
packed 'compressed with zstd: zstdcat' rows.csv.zst
packed 'UTF-16: iconv -f UTF-16 -t UTF-8' wide.csv
printf 'PK\003\004...' >rows.zip
packed 'a ZIP archive: unzip -p' rows.zip
expect 3 ul-prep -o out <rows.csv.gz 2>err
grep -q 'standard input: this is compressed with gzip: zcat FILE | ul-prep' err
zcat rows.csv.gz | ul-prep -q -o out
