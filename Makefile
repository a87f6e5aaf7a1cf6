# User-LLM in C.  `make help` tells what there is.
VERSION = 0.1.0
PREFIX  = /usr/local
CC      = gcc
CFLAGS  = -O3 -g
BUILD   = build

TOOLS   = ul-prep ul-pretrain ul-embed ul-finetune ul-gen ul-eval ul-cat
LIBS    = -lopenblas -lcsv -lzstd -ljansson -lxxhash -lpcre2-8 -lpthread -lm

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wcast-align -Wpointer-arith -Wwrite-strings \
	-Wno-missing-field-initializers -Wundef -Wunused-result -Wdouble-promotion
STANDARD = -std=c17 -D_GNU_SOURCE -DUL_VERSION='"$(VERSION)"' -Ilib -Icmd -Ibuild
ifdef SANITIZE
BUILD   := build/sanitize
SANITIZER = -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ALL_CFLAGS = $(STANDARD) $(WARNINGS) -fopenmp-simd -fno-math-errno -fno-trapping-math -MMD -MP $(SANITIZER) $(CFLAGS)

LIB_OBJECTS  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*/*.c))
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BIN          := $(addprefix $(BUILD)/bin/,$(TOOLS))

all: $(BIN)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libul.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/cmd/%.o $(BUILD)/cmd/tool.o $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libul.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZER) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

unit: $(UNIT_TESTS)

clean:
	rm -rf build

.PHONY: all unit clean
.SECONDARY:
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
