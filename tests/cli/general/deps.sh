# The probe of the libraries: a missing compiler is one line, and pkg-config is asked.
# A search path with nothing in it but what is put there.
mkdir bin
for tool in sh mktemp rm awk id cat; do
	ln -s "$(type -P "$tool")" bin
done
deps() {
	env PATH="$PWD/bin" "$ROOT/tests/deps" "$@"
}
# one WORDS: what was said is one line with these words
one() {
	[[ $(wc -l <err) == 1 ]] && grep -q "$1" err || { cat err >&2; exit 1; }
}
export CC=nothing
expect 1 deps check cblas.h csv.h 2>err
one "there is no compiler 'nothing': "
expect 1 deps install 2>err
one "there is no compiler 'nothing': install it"
export CC=gcc
printf '#!/bin/sh\n' | tee bin/dnf >bin/zstd
chmod +x bin/*f bin/zstd
expect 1 deps install 2>err
one "no compiler 'gcc': please run: dnf install gcc, and then"

# A compiler that finds a header only in the folder that pkg-config knows.
printf '#!/bin/sh\ncat >/dev/null\ncase " $* " in *" -Iaside "*) exit 0 ;; esac\necho not found >&2\nexit 1\n' >bin/gcc
chmod +x bin/gcc
expect 1 deps check cblas.h 2>err
one 'missing libopenblas (cblas.h): run'
printf '#!/bin/sh\n[ "$*" = "--cflags openblas" ] && echo -Iaside\n' >bin/pkg-config
chmod +x bin/pkg-config
deps check cblas.h csv.h
deps install 2>err || true
grep -q 'dnf install' err
expect 1 grep -q openblas err
