# A line an evaluation: key=value on stderr, JSON in the log; -q says nothing.
small data.ult
ul-pretrain --dim 8 --layers 1 --heads 1 --steps 4 --evaluate-every 2 --log log -o out data.ult 2>err
[[ $(wc -l <log) == 2 && $(grep -c '^ul-pretrain: step=[24] .*loss=.*ndcg@10=' err) == 2 ]]
sed -n 2p log | grep -q '^{"step": 4, .*"hr@10": 0[.0-9]*, "ndcg@10": [.0-9]*, "users": [0-9]*, "best": \(true\|false\)}$'
# Of each feature a loss, where it has a weight.
grep -c '"loss": [0-9.]*, "loss_rating": [0-9.]*, "loss_genres": [0-9.]*, "lr": ' log | grep -qx 2
ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 --feature-weight 0 --log bare -o out data.ult 2>err
[[ ! -s err ]]
expect 1 grep -q loss_ bare
if [[ -n ${PYTHON:-} ]]; then
	"$PYTHON" -c 'import json, sys; [json.loads(line)["loss"] + 0 for line in sys.stdin]' <log
fi
expect 1 ul-pretrain -q --dim 8 --layers 1 --heads 1 --steps 2 --log no/log -o new data.ult 2>err
[[ $(wc -l <err) == 1 && ! -e new ]]
grep -q no/log err
