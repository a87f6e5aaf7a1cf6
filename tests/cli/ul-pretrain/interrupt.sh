# A signal in the middle: a checkpoint, a line how to go on, no model; and then the same bytes as in one go.
small data.ult
options=(--dim 16 --layers 1 --heads 2 --batch 40 --lr 0.01 --dropout 0.1 --patience 0 --evaluate-every 50 --steps 2000)
ul-pretrain -q "${options[@]}" -o whole data.ult --log whole.log

# Waits until the run has come as far as the line.
reached() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -qs "step=$1 " err || return 0
		sleep 0.05
	done
	return 1
}

# interrupt SIGNAL STATUS STEP [OPTION]...
interrupt() {
	local signal=$1 status=$2 step=$3
	shift 3
	rm -f err
	ul-pretrain "$@" -o out --log log data.ult 2>err &
	reached "$step"
	kill "-$signal" $!
	expect "$status" wait $!
	tail -n 1 err | grep -q "^ul-pretrain: stopped by SIG$signal .*--resume out.checkpoint"
	[[ -s out.checkpoint && ! -e out && $(find . -name 'out*' | wc -l) == 1 ]]
	ul-cat -q --check out.checkpoint
}
interrupt TERM 143 50 -T1 "${options[@]}"
interrupt TERM 143 400 -T2 "${options[@]}" --resume out.checkpoint
ul-pretrain -q -T1 --resume out.checkpoint -o out --log log data.ult
cmp whole out
# The log is one, but for the clock.
timeless() {
	sed -E 's/"seconds": [0-9.]*//; s/"events\/s": [0-9.]*//' "$1"
}
cmp <(timeless whole.log) <(timeless log)
# Where it has nothing to write, or nowhere, it ends as any program does.
rm err
ul-pretrain "${options[@]}" data.ult 2>err >stream &
reached 50
kill -TERM $!
expect 143 wait $!
expect 1 grep -q resume err
[[ ! -s stream ]]
# A terminal that is gone; but not after nohup.
rm out*
interrupt HUP 129 50 "${options[@]}"
rm out.checkpoint err
nohup ul-pretrain "${options[@]}" -o out data.ult 2>err >nothing &
reached 50
kill -HUP $!
wait $!
cmp whole out
# A terminal that goes sends SIGHUP more than once.
rm -f out* err
ul-pretrain "${options[@]}" -o out data.ult 2>err &
reached 50
for ((i = 0; i < 5000; i++)); do
	kill -HUP $! 2>kill || break
done
expect 129 wait $!
ul-pretrain -q --resume out.checkpoint -o out data.ult
cmp whole out
# Who reads the messages may go before the end.
rm out*
ul-pretrain "${options[@]}" -o out data.ult 2> >(head -n 1 >err)
cmp whole out
# One that comes while the model is written, here to a pipe that nobody reads yet, waits for the end of it.
rm -f out* err
mkfifo pipe
ul-pretrain "${options[@]}" --checkpoint out.checkpoint -o pipe data.ult 2>err &
reached 2000
kill -TERM $!
cat pipe >out
expect 143 wait $!
numbers() {
	zstd -dcq "$1" | tail -c 4000
}
cmp <(numbers whole) <(numbers out)
# Where no checkpoint can be written, it is not stopped.
rm -rf out* err
mkdir out.checkpoint
ul-pretrain "${options[@]}" -o out data.ult 2>err &
reached 50
kill -TERM $!
wait $!
grep -q 'going on without this checkpoint, and so without a stop' err
cmp whole out
# A second one ends it at once.
rm out err
ul-pretrain "${options[@]}" --steps 1000000 -o out data.ult 2>err &
reached 50
kill -TERM $!
for ((i = 0; i < 100; i++)); do
	! grep -q 'without a stop' err || break
	sleep 0.05
done
kill -TERM $!
expect 143 wait $!
[[ ! -e out ]]
rm -r out*
# Control-C, of which a shell's background knows nothing.
expect 130 timeout --foreground --preserve-status -s INT 2 ul-pretrain --dim 16 --layers 1 --heads 1 --patience 0 --epochs 1e6 \
	-o control data.ult 2>err
tail -n 1 err | grep -q 'stopped by SIGINT .*--resume control.checkpoint'
[[ -s control.checkpoint && ! -e control ]]
