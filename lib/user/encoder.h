/* The user encoder of User-LLM (Ning et al. 2024, section 3.1): an event is the
 * embeddings of its item and features, side by side, projected to width d; L
 * pre-norm Transformer blocks (RMSNorm, rotary positions, SwiGLU or GELU) follow.  The blocks of `ar` are
 * causal: row t of the output, E [T, d], is the user as of event t, and predicts event t + 1.  Those of
 * `bert4rec` (Sun et al. 2019) see all events; where an event is masked, its row predicts it.  `dual` is `ar`
 * with an item tower beside it: an item is not its own embedding, but what the tower makes of it and of its
 * features. */
#ifndef USER_ENCODER_H
#define USER_ENCODER_H

#include "data/dataset.h"
#include "nn/layers.h"

/* Kinds of encoders, with their words for options and metadata in the same order. */
typedef enum { ENCODER_AR, ENCODER_DUAL, ENCODER_BERT4REC } EncoderArch;
#define ENCODER_ARCHS "ar|dual|bert4rec"

/* Blocks: attention and feed-forward layers, or HSTU's units (Zhai et al. 2024). */
typedef enum { BLOCK_TRANSFORMER, BLOCK_HSTU } EncoderBlock;
#define ENCODER_BLOCKS "transformer|hstu"
/* Of the former: hidden width 8d/3, or 4d without a gate, which is as many weights. */
typedef enum { FFN_SWIGLU, FFN_GELU } EncoderFfn;
#define ENCODER_FFNS "swiglu|gelu"
/* How a row knows where it is: rotary positions, a learned bias for each head and distance, both, none. */
typedef enum { POSITIONS_ROTARY, POSITIONS_BIAS, POSITIONS_BOTH, POSITIONS_NONE } EncoderPositions;
#define ENCODER_POSITIONS "rotary|bias|both|none"
/* What it knows of times, as a learned bias for each head and bucket of seconds between a key's event and the
 * row's own event; or, TIMES_QUERY, and the event that the row is to predict: a league of its own. */
typedef enum { TIMES_NONE, TIMES_HISTORY, TIMES_QUERY } EncoderTimes;
#define ENCODER_TIMES "none|history|query"

typedef struct {
	size_t dim, layers, heads, max_len; /* max_len: events of a history that are read, the last ones */
	double dropout;
	EncoderArch arch;
	EncoderBlock block;
	EncoderFfn ffn;
	EncoderPositions positions;
	EncoderTimes times; /* of causal encoders alone */
	/* Cosine logits: items have length 1, rows of E 1 / temperature; 0: products as they are. */
	double temperature;
	bool free_items; /* items have another table as outputs than as inputs ("tied|free") */
} EncoderShape;

enum { ENCODER_MAX_LEN = 1 << 16 }; /* of a history */

/* Column 0 is the item, column 1 + f is feature f of the catalogue. */
typedef struct {
	EncoderShape shape;
	const Dataset *catalogue; /* its items and features, with their values; not its totals */
	Dataset own;              /* behind `catalogue` where the encoder was loaded */
	Parameters parameters;
	size_t columns;
	Parameter **tables; /* by column: [values, width] */
	Parameter **
	    heads; /* by column: [width, d], from E to the column's space; NULL for the item, and in `dual` */
	Parameter *output; /* [items, d], what E is multiplied with: the item's table, or one of its own */
	Parameter *tower;  /* [d, Σ widths of the item and its own features] of `dual`; else NULL */
	Parameter *input;  /* [d, Σ widths] */
	Parameter *input_norm;
	AttentionLayer *attention; /* by layer */
	FeedForward *feed;         /* of Transformer blocks alone */
	Parameter *norm;
	Rotary rotary;
} Encoder;

/* A new one, with random weights; borrows the catalogue. */
Encoder *encoder_new(const EncoderShape *shape, const Dataset *catalogue, uint64_t seed, Error *e);
void encoder_free(Encoder *m);
/* With the same weights, and the same catalogue, which is borrowed. */
Encoder *encoder_copy(const Encoder *m, Error *e);
/* Random weights again, those of encoder_new(). */
bool encoder_reset(Encoder *m, uint64_t seed, Error *e);

/* For training with sampled losses: tables of which a step reaches few rows become sparse. */
bool encoder_sparse(Encoder *m, Error *e);

/* encoder.ult.  *hash (may be NULL) is the stream's. */
bool encoder_save(const Encoder *m, const char *path, const Provenance *p, Error *e);
Encoder *encoder_load(const char *path, uint64_t *hash, Error *e);

/* The ids of a dataset as the encoder numbers them: what it does not know is
 * ID_UNKNOWN. */
typedef struct {
	const Encoder *encoder;
	const Dataset *data;
	size_t *features; /* by column ≥ 1: the dataset's feature of that name */
	int32_t **ids;    /* by column: the dataset's id → the encoder's */
} Translation;

/* ERROR_USAGE where the dataset lacks a feature of the encoder, or times that it reads. */
bool translation_new(Translation *t, const Encoder *m, const Dataset *data, Error *e);
void translation_free(Translation *t);

/* How many of the dataset's values of a column there are, and how many of them the encoder does not know. */
void translation_unknown(const Translation *t, size_t column, size_t *values, size_t *unknown);

/* Events packed end to end, for all columns: row r has ids[c][offsets[c][r] …
 * offsets[c][r + 1]). */
typedef struct {
	size_t rows;
	int64_t **offsets;
	int32_t **ids;
	int32_t *positions;
	/* Of rows, and of those that they ask (of the cache, where there is one); NULL: the encoder reads
	 * none. */
	const int64_t *query_times, *key_times;
	AttentionSegment *segments; /* one a history */
	size_t segment_count;
	/* Of histories that go on, instead of keys in the batch (see Sequence); NULL: none. */
	KeyValueCache *cache;
	const int32_t *slots;
} EventBatch;

/* The events [first, end) of each history; what is longer than max_len loses its
 * beginning.  With TIMES_QUERY a row's time is that of the event after it; of the last row, where the history
 * has no target, its own.  In the arena. */
bool batch_new(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
               size_t count, Arena *arena, Error *e);
/* The same, to ask for the event after each history: its last row is to predict that.  For bert4rec this is a
 * masked event more. */
bool batch_questions(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                     size_t count, Arena *arena, Error *e);
/* batch_new() with the events of some rows masked, in all columns. */
bool batch_masked(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                  size_t count, const bool *masked, Arena *arena, Error *e);
/* The same events as targets: unknown values do not count, and ids count from the
 * first real one (as rows of the logits). */
bool batch_targets(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                   size_t count, Arena *arena, Error *e);

/* E [rows, d] of a batch. */
Tensor *encoder_forward(Tape *t, const Encoder *m, const EventBatch *b);

#endif
