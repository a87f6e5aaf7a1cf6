/* What makes an LLM know a user (User-LLM, section 3.2), and what was tuned with it.
 *
 * By cross-attention: after the self-attention of each LLM layer, h ← h + tanh(α) · XAttn(norm(h), E′, E′), α
 * one number a layer that starts at 0.  By a soft prompt: the rows of E′, projected to the LLM's width, are
 * read as tokens before the query.
 *
 * E′ is Perceiver(E), of K rows; or, with K = 0, E itself, whose rows the LLM then attends to by their
 * distance from the end.
 *
 * E is an encoder's, or vectors from outside; of an adapter of an encoder, its own latents can take the place
 * of E and Perceiver.
 *
 * Without E: by text, the names of the last events before the query; or not at all, so that what is
 * adapted is the LLM alone.  These are what the paper compares with. */
#ifndef USER_ADAPTER_H
#define USER_ADAPTER_H

#include "llm/lora.h"
#include "user/encoder.h"
#include "user/perceiver.h"
#include "user/task.h"
#include "user/vectors.h"

#define INJECTIONS "cross|soft|text|none"
typedef enum { INJECT_CROSS, INJECT_SOFT, INJECT_TEXT, INJECT_NONE } InjectionKind;
bool injects_rows(InjectionKind kind); /* the first two */

/* Where the rows E of users come from: an encoder makes them, or they are looked up; both NULL: there are
 * none.  Borrowed. */
typedef struct {
	Encoder *encoder;
	uint64_t encoder_hash;
	const UserVectors *vectors;
} UserSource;

/* Whether they know when the event that is asked about takes place. */
bool users_know_time(const UserSource *users);

/* What trains besides the adapter's own parameters: nothing, the encoder, or encoder and LLM; with LORA
 * low-rank updates of the LLM are among the adapter's own. */
#define TUNINGS "proj|enc|lora|full"
typedef enum { TUNE_PROJ, TUNE_ENC, TUNE_LORA, TUNE_FULL } Tuning;

typedef struct {
	size_t latents, perceiver_layers; /* with rows; 0 latents: no Perceiver */
	/* 0: as the encoder has them; of vectors as many as can be, of an even width from 16 on, else 1. */
	size_t perceiver_heads;
	InjectionKind inject;
	/* Cross-attention: into which layers of the LLM, "all", "every:N" (the last of each N) or a list of
	 * numbers from 0 on, "0,2,5"; NULL: all. */
	const char *layers;
	size_t heads, dim; /* … of all heads together; 0: as the LLM has them */
	size_t history;    /* as text: events at most */
	bool features;     /* … and whether their features are told, too */
	Tuning tuning;
	LoraShape lora; /* with TUNE_LORA */
} AdapterShape;

/* What it was trained for. */
typedef struct {
	TaskKind kind;
	const char *query, *target; /* templates */
	size_t answer;              /* tokens that an answer has at most, where it is one of no list */
} AdapterTask;

typedef struct {
	AdapterShape shape;
	Llm *llm;
	UserSource users; /* empty with INJECT_TEXT and INJECT_NONE */
	bool perceived;   /* the vectors are what the Perceiver made of an encoder's rows */
	/* "perceiver.latents", "perceiver.0.attn.q", …, "xattn.0.q", …, "xattn.0.gate", "soft.project",
	 * "lora.blk.0.attn.q.a", … */
	Parameters parameters;
	Perceiver perceiver;
	Parameter *memory_norm, *project; /* the latter soft: to the LLM's width */
	AttentionLayer *cross;            /* by LLM layer */
	Parameter **gates;                /* NULL: nothing is injected there */
	AdapterTask task;
	char *query, *target, *layers, *matrices; /* which task and shape name */
} Adapter;

/* What the Perceiver is to read. */
PerceiverShape adapter_rows(const AdapterShape *shape, const UserSource *users);

/* Copies task and shape; borrows what there is of users, and the LLM, whose products use the updates of LoRA
 * until adapter_free().  Weights are those of `source`; NULL: by the seed. */
Adapter *adapter_new(const AdapterShape *shape, const UserSource *users, Llm *llm, const AdapterTask *task,
                     const ParameterSource *source, uint64_t seed, Error *e);
void adapter_free(Adapter *a);

/* adapter.ult: what was trained, and the hashes of the LLM and the encoder that it belongs to. */
bool adapter_save(const Adapter *a, const char *path, const Provenance *p, Error *e);
/* With another LLM or another encoder than it was trained with it is refused, without an encoder or vectors
 * that it needs, and with what it does not.  One that was trained with an encoder takes vectors that are its
 * own latents.  The encoder's weights, and the LLM's, are replaced where the adapter holds some. */
Adapter *adapter_load(const char *path, const UserSource *users, Llm *llm, Error *e);

/* The Perceiver of an adapter alone, without its LLM: parameters go to the set, and the encoder's weights are
 * replaced where the adapter holds some.  *hash is the adapter's.  ERROR_USAGE with another encoder, or where
 * there are no latents. */
bool adapter_load_perceiver(const char *path, Encoder *encoder, uint64_t encoder_hash, Perceiver *p,
                            Parameters *set, uint64_t *hash, Error *e);

/* The LLM that llm_load() takes from a path, with the weights of an adapter without an encoder, as
 * llm_convert() writes it. */
bool adapter_convert(const char *adapter, const char *llm, const char *path, Error *e);

/* The memory of a batch, for adapter_injection(): keys and values of E′ by LLM layer, and where each target's
 * are; or the soft tokens, K rows a target, which prompts name -1 - row. */
typedef struct {
	const Adapter *adapter;
	Tensor *soft; /* NULL: there are none */
	KeyValues *layers;
	size_t count;
	size_t *first, *rows; /* of each target, in the keys and values */
	int32_t *asking;      /* position that target i asks from; NULL: without positions */
	/* For the tokens of the batch at hand: */
	AttentionSegment *segments;
	size_t segment_count;
	int32_t *positions; /* by token; NULL: without positions */
} AdapterMemory;

/* Computes each layer's keys and values of E′ for all targets, or their soft tokens. */
bool adapter_memory(const Adapter *a, Tape *t, Tensor *e, const UserTargets *targets, AdapterMemory *memory);

/* Token rows [start[i], start[i + 1]) of the next forward pass belong to target i.  Without this call, all
 * rows of all passes belong to the only target. */
bool adapter_tokens(AdapterMemory *m, const size_t *start, Arena *arena, Error *e);

/* Injects the memory into llm_forward(). */
Injection adapter_injection(AdapterMemory *m);

#endif
