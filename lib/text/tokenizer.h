/* Text to token ids and back: byte-level BPE (GPT-2's family) and
 * SentencePiece-style BPE with scores (Llama's), as their makers do it. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "base/strings.h"

typedef enum { TOKENIZER_BPE, TOKENIZER_SENTENCEPIECE } TokenizerKind;

/* Kinds of token, as GGUF numbers them. */
enum {
	TOKEN_NORMAL = 1,
	TOKEN_UNKNOWN = 2,
	TOKEN_CONTROL = 3,
	TOKEN_USER_DEFINED = 4,
	TOKEN_UNUSED = 5,
	TOKEN_BYTE = 6
};

enum { TOKEN_NONE = -1 };

/* All that a tokenizer is.  tokenizer_new() takes over the contents; lists by id
 * have as many elements as there are tokens. */
typedef struct {
	TokenizerKind kind;
	char pre[32]; /* the pre-tokenizer's name, for BPE: "gpt-2", "llama-bpe", "qwen2", … */
	Strings
	    tokens; /* by id; BPE: in GPT-2's printable alphabet; SentencePiece: with U+2581 for a space */
	Strings merges;            /* BPE: "left right", the best first */
	float *scores;             /* SentencePiece: by id */
	int32_t *types;            /* by id; NULL: all normal */
	int32_t bos, eos, unknown; /* TOKEN_NONE: there is none */
	bool add_bos, add_eos;
	bool add_space_prefix; /* SentencePiece */
} TokenizerModel;

void tokenizer_model_free(TokenizerModel *m);

typedef struct Tokenizer Tokenizer;

/* m is emptied, on error too.  ERROR_MALFORMED where it makes no tokenizer.  The
 * result may be used by many threads at once. */
Tokenizer *tokenizer_new(TokenizerModel *m, Error *e);
void tokenizer_free(Tokenizer *t);
const TokenizerModel *tokenizer_model(const Tokenizer *t);
size_t tokenizer_size(const Tokenizer *t); /* V */

typedef struct {
	int32_t *ids;
	size_t count, capacity;
} Tokens;

enum {
	TOKENIZE_BOS = 1,    /* the BOS first, if the model asks for one */
	TOKENIZE_SPECIAL = 2 /* control and unknown tokens spelled in the text are these: for prompts, not
	                        for text of others */
};

/* Appends the ids of `text` (at most 512 MiB) to *out.  An EOS is the caller's to
 * add, where a text really ends: behind a prompt it would be wrong.  User defined
 * tokens spelled in the text are recognised before all else, the longest first.  Bytes that are no UTF-8
 * are encoded as bytes.  What has no token, nor byte tokens, becomes the unknown
 * token (SentencePiece: one for a run), or is left out where there is none. */
bool tokenizer_encode(const Tokenizer *t, Text text, unsigned flags, Tokens *out, Error *e);
/* Appends the text of the ids, byte for byte what was encoded (with SentencePiece
 * U+2581 comes back as a space).  Control tokens are left out; the unknown token
 * is U+FFFD.  The space that SentencePiece puts in front is taken away at the
 * start and wherever a control or user defined token went before: to continue a
 * text, decode all of it and skip what is known.  An id outside the vocabulary is
 * ERROR_MALFORMED. */
bool tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Buffer *out, Error *e);
void tokens_free(Tokens *tokens);

/* Learns a byte-level BPE vocabulary of `size` tokens from the texts (Sennrich et
 * al. 2016, on bytes as in GPT-2): 256 bytes, merges by frequency (ties: the lower
 * pair of ids), and <|endoftext|> as BOS (to be added) and EOS (not), which comes
 * last.  Words are cut as GPT-2 does.  Stops early when no pair occurs twice. */
bool tokenizer_learn(const Strings *texts, size_t size, TokenizerModel *m, Error *e);

#endif
