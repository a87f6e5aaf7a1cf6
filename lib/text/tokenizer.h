/* Text to token ids and back, as the makers of vocabularies do it: byte-level BPE
 * (GPT-2's family), BPE on characters by scores (SentencePiece's, Llama's) or by
 * merges (Llama's in tokenizer.json), and SentencePiece's unigram model. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "text/normalizer.h"
#include "text/pretokenizer.h"

typedef enum {
	TOKENIZER_BPE,
	TOKENIZER_SENTENCEPIECE,
	TOKENIZER_UNIGRAM,
	TOKENIZER_CHARACTER_BPE
} TokenizerKind;

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

/* How a control, unknown or user defined token is found in a text. */
enum {
	ADDED_LSTRIP = 1,      /* with the white space before it … */
	ADDED_RSTRIP = 2,      /* … and behind it */
	ADDED_SINGLE_WORD = 4, /* not within a word */
	ADDED_NORMALIZED = 8   /* after the normalizer, which the token of own_steps went through as well */
};

enum { MORE_ENDS = 6 };

/* All that a tokenizer is.  tokenizer_new() takes over the contents; lists by id
 * have as many elements as there are tokens. */
typedef struct {
	TokenizerKind kind;
	char pre[32];   /* the pre-tokenizer's name, for BPE: "gpt-2", "llama-bpe", "qwen2", … */
	Strings tokens; /* by id; BPE: in GPT-2's printable alphabet; others: with U+2581 for a space */
	Strings merges; /* BPE of both kinds: "left right", the best first */
	float *scores;  /* SentencePiece and unigram: by id */
	int32_t *types; /* by id; NULL: all normal */
	uint8_t *added; /* by id: ADDED_…; NULL: none */
	int32_t bos, eos, eot, unknown; /* TOKEN_NONE: there is none.  EOT: the end of a turn in a chat, if
	                                   need be that of the template */
	int32_t ends[MORE_ENDS];        /* others that a text may end with */
	size_t end_count;
	bool add_bos, add_eos;
	bool add_space_prefix; /* not BPE: decoding takes it away */
	bool prefix_once;      /* … which is at the start alone, not behind a token that is spelled out */
	bool squeeze_spaces;   /* unigram */
	Buffer charsmap;       /* unigram: SentencePiece's table, or empty */
	bool whole_words;      /* BPE: a word that is a token is not taken apart */
	bool fuse_unknown;     /* BPE of both kinds: one for a run (the others always do so) */
	bool own_steps;        /* these lists tell what is done to a text, not the kind and `pre`: */
	NormalizeSteps normalizer; /* … before tokens are looked for that are ADDED_NORMALIZED */
	NormalizeSteps rewriter;   /* … and after that */
	CutSteps cuts;
	char *chat_template; /* Jinja's text; NULL: none */
} TokenizerModel;

void tokenizer_model_free(TokenizerModel *m);

typedef struct Tokenizer Tokenizer;

/* m is emptied, on error too.  ERROR_MALFORMED where it makes no tokenizer.  The
 * result may be used by many threads at once. */
Tokenizer *tokenizer_new(TokenizerModel *m, Error *e);
void tokenizer_free(Tokenizer *t);
const TokenizerModel *tokenizer_model(const Tokenizer *t);
/* Whether it puts a space in front of a text by itself, also of one that begins with a space. */
bool tokenizer_prepends(const Tokenizer *t);
size_t tokenizer_size(const Tokenizer *t);           /* V */
bool tokenizer_ends(const Tokenizer *t, int32_t id); /* whether it is the EOS, the EOT, or another end */

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
 * tokens spelled in the text are recognised before all else, the longest first.
 * Bytes that are no UTF-8 are encoded as bytes.  What has no token, nor byte tokens,
 * becomes the unknown token, or is left out where there is none. */
bool tokenizer_encode(const Tokenizer *t, Text text, unsigned flags, Tokens *out, Error *e);
/* Appends the text of the ids, byte for byte what was encoded where no normalizer
 * changed it (in vocabularies of characters U+2581 comes back as a space).  Control
 * tokens are left out; the unknown token is U+FFFD.  The space that encoding puts in
 * front is taken away at the start and wherever a control or user defined token went
 * before.  An id outside the vocabulary is ERROR_MALFORMED. */
bool tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Buffer *out, Error *e);
/* Goes on with a token behind another; TOKEN_NONE: at the start. */
bool tokenizer_decode_next(const Tokenizer *t, int32_t last, int32_t id, Buffer *out, Error *e);
bool tokens_append(Tokens *tokens, const int32_t *ids, size_t count, Error *e);
void tokens_free(Tokens *tokens);

/* Learns a byte-level BPE vocabulary of `size` tokens from the texts (Sennrich et
 * al. 2016, on bytes as in GPT-2): 256 bytes, merges by frequency (ties: the lower
 * pair of ids), and <|endoftext|> as BOS (to be added) and EOS (not), which comes
 * last.  Words are cut as GPT-2 does.  Stops early when no pair occurs twice. */
bool tokenizer_learn(const Strings *texts, size_t size, TokenizerModel *m, Error *e);

#endif
