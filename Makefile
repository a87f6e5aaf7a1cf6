# User-LLM in C.  `make help` tells what there is.
VERSION = 0.2.0
PREFIX  = /usr/local
CC      = gcc
CFLAGS  = -O3 -g
BUILD   = build

TOOLS   := $(patsubst cmd/%.c,%,$(wildcard cmd/ul-*.c))
PAGES   := $(wildcard man/*.[157])
LIBS    = -lopenblas -lcsv -lzstd -ljansson -lxxhash -lpcre2-8 -lutf8proc -lstemmer -lpthread -lm

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wcast-align -Wpointer-arith -Wwrite-strings \
	-Wno-missing-field-initializers -Wundef -Wunused-result -Wdouble-promotion $(WERROR)
STANDARD = -std=c17 -D_GNU_SOURCE -DUL_VERSION='"$(VERSION)"' -Ilib -Icmd
ifdef SANITIZE
override BUILD := build/sanitize
SANITIZER = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
# Some systems keep cblas.h in a folder of its own; asked when it is needed, since
# `make deps` may have installed it a moment ago.
CBLAS_CFLAGS = $(shell pkg-config --cflags openblas 2>/dev/null)
ALL_CFLAGS = $(STANDARD) $(WARNINGS) -fopenmp-simd -fno-math-errno -fno-trapping-math -MMD -MP \
	$(SANITIZER) $(CBLAS_CFLAGS) $(CFLAGS)

# What is compiled for a CPU path of its own: it runs only where lib/base/cpu.c finds that path.
AVX2   = -mavx2 -mfma -ffp-contract=fast
AVX512 = -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -ffp-contract=fast -mprefer-vector-width=512
ifneq ($(filter x86_64% amd64%,$(shell $(CC) -dumpmachine)),)
PATHS   := generic avx2 avx512
KERNELS := gemm_avx512 gemm_amx stored_avx512 stored_avx2
else
PATHS   := generic
endif
PATH_SOURCES := lib/math/vector_loops.c lib/math/gemm_avx512.c lib/math/gemm_amx.c lib/math/stored_avx512.c \
	lib/math/stored_avx2.c
LIB_OBJECTS  := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(PATH_SOURCES),$(wildcard lib/*/*.c))) \
	$(PATHS:%=$(BUILD)/lib/math/vector_loops.%.o) $(KERNELS:%=$(BUILD)/lib/math/%.o)
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
MODEL_CHECKS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/models/check_*.c))
BENCHES      := $(patsubst %.c,$(BUILD)/%,$(filter-out %/peak.c,$(wildcard tests/bench/*.c)))
BIN          := $(addprefix $(BUILD)/bin/,$(TOOLS))
COMMON       := $(patsubst %.c,$(BUILD)/%.o,$(filter-out cmd/ul-%,$(wildcard cmd/*.c)))
SOURCES      := $(wildcard cmd/*.[ch] lib/*/*.[ch] tests/*/*.[ch])

all: $(BIN)

help:
	@echo 'make            the tools, in $(BUILD)/bin'
	@echo 'make deps       install what is missing to build and test'
	@echo 'make demo       the whole road on testdata/: from a CSV to personal answers'
	@echo 'make check      all tests (make unit: build the unit tests alone)'
	@echo 'make check-models MODELS=FOLDER   against real models (default: ../shared/models)'
	@echo 'make bench      measure, beside PyTorch, pandas, zstd and llama.cpp (LLAMA_CPP=FOLDER) where they are'
	@echo 'make experiment SET=ml-1m   train and measure the systems of experiments/SET.runs (hours; needs jq, time)'
	@echo 'make install    to PREFIX=$(PREFIX), below DESTDIR; make uninstall takes it away'
	@echo 'make lint       clang-format and cppcheck; make format'
	@echo 'make clean      remove build/'
	@echo 'CC=clang, CFLAGS=..., WERROR=-Werror, SANITIZE=address,undefined (in build/sanitize)'

# The probe of the libraries comes before the first compiler run, and where `deps`
# is asked for, too, that comes before the probe, with -j as well.
$(BUILD)/libraries.ok: | $(filter deps,$(MAKECMDGOALS))
	@CC='$(CC) $(CBLAS_CFLAGS)' tests/deps check cblas.h csv.h zstd.h jansson.h xxhash.h pcre2.h utf8proc.h libstemmer.h
	@mkdir -p $(@D) && touch $@

$(BUILD)/test-libraries.ok: | $(filter deps,$(MAKECMDGOALS))
	@CC='$(CC)' tests/deps check cmocka.h
	@mkdir -p $(@D) && touch $@

deps:
	@CC='$(CC)' tests/deps install

# Another compiler or other flags make everything anew.
$(BUILD)/flags: FORCE | $(BUILD)/libraries.ok
	$(file >$@.new,$(CC) $(ALL_CFLAGS))
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PATH_FLAGS) -c -o $@ $<

$(PATHS:%=$(BUILD)/lib/math/vector_loops.%.o): $(BUILD)/lib/math/vector_loops.%.o: lib/math/vector_loops.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(PATH_FLAGS) -DVECTOR_PATH=$* -c -o $@ $<

$(BUILD)/lib/math/vector_loops.avx2.o: PATH_FLAGS = $(AVX2)
$(BUILD)/lib/math/stored_avx2.o: PATH_FLAGS = $(AVX2) -mf16c
$(BUILD)/lib/math/vector_loops.avx512.o: PATH_FLAGS = $(AVX512)
$(BUILD)/lib/math/gemm_avx512.o $(BUILD)/lib/math/gemm_amx.o: PATH_FLAGS = $(AVX512) -mavx512bf16
$(BUILD)/lib/math/stored_avx512.o: PATH_FLAGS = $(AVX512) -mavx512vnni
$(BUILD)/lib/math/gemm_amx.o: PATH_FLAGS += -mamx-tile -mamx-bf16

$(BUILD)/libul.a: $(LIB_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/cmd/%.o $(COMMON) $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS)

$(UNIT_TESTS:=.o): | $(BUILD)/test-libraries.ok

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

$(BUILD)/tests/models/%: $(BUILD)/tests/models/%.o $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/tests/bench/peak.o $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS)

unit: $(UNIT_TESTS) $(MODEL_CHECKS) $(BENCHES)

check: all unit
	@BUILD=$(BUILD) tests/run.sh

check-models: unit
	@BUILD=$(BUILD) tests/run.sh models

bench: all $(BENCHES)
	/usr/bin/python3 tests/bench/bench.py $(BUILD)

experiment: all
	@BUILD=$(BUILD) experiments/run.sh $(SET)

demo: all
	@BUILD=$(BUILD) tests/demo/run.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin
	for page in $(PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(TOOLS))
	for page in $(PAGES); do \
		rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done

format:
	clang-format -i $(SOURCES)

lint:
	clang-format --dry-run -Werror $(SOURCES)
	cppcheck --quiet -j 2 --std=c11 --error-exitcode=1 --inline-suppr --suppressions-list=.cppcheck \
		--enable=warning,performance,portability -D__x86_64__ -Ilib -Icmd $(filter %.c,$(SOURCES))

clean:
	rm -rf build

.PHONY: FORCE all help deps unit check check-models bench experiment demo install uninstall format lint clean
.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
