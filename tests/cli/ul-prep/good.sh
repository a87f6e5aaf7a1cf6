# The demo's own data: what it says, and that nothing but the data decides the bytes.
prep -T 1 -o one.ult "$TESTDATA/events.csv"
prep -T 2 -o two.ult "$TESTDATA/events.csv"
cmp one.ult two.ult
ul-prep --feature rating=rating --items "$TESTDATA/items.csv" --feature 'genres=genres:|' \
	--text title=title -o data.ult "$TESTDATA/events.csv"
