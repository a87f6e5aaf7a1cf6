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

/* All that a tokenizer is.  tokenizer_new() takes over the contents. */
typedef struct {
	TokenizerKind kind;
	char pre[32]; /* the pre-tokenizer's name, for BPE: "gpt-2", "llama-bpe", "qwen2", … */
	Strings
	    tokens; /* by id; BPE: in GPT-2's printable alphabet; SentencePiece: with U+2581 for a space */
	Strings merges;            /* BPE: "left right", the best first */
	float *scores;             /* SentencePiece: by id */
	int32_t *types;            /* by id; NULL: all normal */
	int32_t bos, eos, unknown; /* TOKEN_NONE: there is none */
	bool add_bos, add_eos, add_space_prefix;
} TokenizerModel;

void tokenizer_model_free(TokenizerModel *m);

typedef struct Tokenizer Tokenizer;

Tokenizer *tokenizer_new(TokenizerModel *m, Error *e); /* m is emptied, on error too */
void tokenizer_free(Tokenizer *t);
const TokenizerModel *tokenizer_model(const Tokenizer *t);
size_t tokenizer_size(const Tokenizer *t); /* V */

typedef struct {
	int32_t *ids;
	size_t count, capacity;
} Tokens;

/* Appends the ids of `text` to *out.  `special`: also the BOS and EOS that the
 * model asks for.  Control tokens spelled in the text are not recognised, user
 * defined ones are. */
bool tokenizer_encode(const Tokenizer *t, Text text, bool special, Tokens *out, Error *e);
/* Appends the text of the ids; control tokens are left out. */
bool tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Buffer *out, Error *e);
void tokens_free(Tokens *tokens);

/* Learns a byte-level BPE vocabulary of `size` tokens from the texts (Sennrich et
 * al. 2016, on bytes as in GPT-2): 256 bytes, merges by frequency (ties: the lower
 * pair of ids), and <|endoftext|> as BOS and EOS, which comes last.  Stops early
 * when no pair occurs twice. */
bool tokenizer_learn(const Strings *texts, size_t size, TokenizerModel *m, Error *e);

#endif
