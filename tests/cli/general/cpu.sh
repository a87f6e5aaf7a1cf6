# A forced CPU path is the one in use; each gives the same bytes for any number of threads, in each precision,
# and the paths agree; what this machine lacks, and what is no path, is wrong usage.
small data.ult encoder.ult lm.gguf
words='UL_CPU is one of amx, avx512, avx2, generic' usage env UL_CPU=fast ul-embed -m encoder.ult data.ult
UL_CPU=generic ul-gen --version | grep -q '^CPU path: generic$'
words='precision bf16: the CPU path in use, generic, has no bf16' UL_CPU=generic \
	usage ul-embed -m encoder.ult --precision bf16 data.ult
# By default there is a thread for each CPU that the process may have, not for each of the machine.
! cpu=$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/') || taskset -c "$cpu" ul-embed -v -m encoder.ult --pool last -o out data.ult 2>&1 | grep -q ', 1 threads,'
train() { ul-pretrain -q --dim 16 --layers 1 --heads 2 --steps 3 -o "$@" data.ult; }
for path in generic avx2 avx512 amx; do
	export UL_CPU=$path
	if ! ul-cat --list data.ult >/dev/null 2>err; then
		grep -q "UL_CPU=$path: this machine reaches [a-z0-9]* at most" err
		continue
	fi
	for precision in f32 auto; do
		train "one.$path" --precision $precision -T1
		train "three.$path" --precision $precision -T3
		cmp <(numbers "one.$path") <(numbers "three.$path")
		tune --llm lm.gguf -m encoder.ult --precision $precision -T1 -o one.adapter data.ult
		tune --llm lm.gguf -m encoder.ult --precision $precision -T2 -o two.adapter data.ult
		cmp <(numbers one.adapter) <(numbers two.adapter)
		ul-embed -q -m encoder.ult --pool last --format npy --precision $precision -T1 data.ult >one.npy
		ul-embed -q -m encoder.ult --pool last --format npy --precision $precision -T2 data.ult | cmp one.npy -
		[[ $precision == auto ]] || mv one.npy "$path.npy"
	done
done
/usr/bin/python3 - generic.npy ./*.npy <<'EOF' || (($? == 77))
import sys
try:
    import numpy
except ImportError:
    sys.exit(77)
base = numpy.load(sys.argv[1])
for path in sys.argv[2:]:
    far = abs(numpy.load(path) - base).max()
    assert far < (1e-5 if path != "./one.npy" else 0.1), f"{path}: {far}"
EOF
