# The generator writes what is committed.
"$TESTDATA/generate" .
cmp items.csv "$TESTDATA/items.csv"
cmp events.csv "$TESTDATA/events.csv"
