/* Which items come next for a user, best first: what an encoder, an LLM and the simple baselines
 * all answer, and the walk over a dataset that asks them. */
#ifndef USER_RANKING_H
#define USER_RANKING_H

#include "data/dataset.h"
#include "nn/tape.h"
#include "user/items.h"

/* A question: what follows the history?  Item ids are the dataset's. */
typedef struct {
	const Users *users;
	size_t user;
	Segment history;
	int32_t target; /* ID_PADDING: not known */
} Query;

/* An answer: the K best items, and the place of the target among all that may be ranked. */
typedef struct {
	size_t count;
	int32_t *items; /* [K], ids of the ranker's catalogue */
	float *scores;  /* [K] */
	uint64_t rank;  /* of the target, from 1; RANK_NONE: not reached, or no target */
} Ranking;

/* Answers questions, at most `group` in a call, from several threads at once. */
typedef struct {
	void *context;
	const Dataset *catalogue;
	size_t group;
	bool (*rank)(void *context, Tape *t, const Query *queries, size_t count, size_t K, Ranking *answers,
	             Error *e);
	Profile *profile; /* of rank_users(); NULL: nothing is counted */
} Ranker;

/* The question for a user and a part of the split: test and val as dataset_segment() has it; train: the last
 * training event from those before it; PART_ALL: what comes after all events.  False where there is none. */
bool query_of(const Dataset *data, const Users *users, size_t user, Part part, Query *query);

/* Asks about users of the part from number *next on, at most `most` of them, and leaves in *next where to go
 * on; the caller frees the answers. */
typedef struct {
	Query *queries;
	Ranking *answers;
	size_t count;
	int32_t *items; /* behind the answers */
	float *scores;
} Rankings;
bool rank_users(const Ranker *ranker, const Dataset *data, const Users *users, Part part, size_t K,
                size_t most, size_t *next, Pool *pool, Rankings *out, Error *e);
void rankings_free(Rankings *r);

/* From a score an item (by the catalogue's ids, -infinity: not to be ranked): leaves out `seen` (its entries
 * become -infinity), finds the best K and the target's rank.  Equal scores: the lower id first. */
void ranking_fill(Ranking *r, float *scores, size_t V, const int32_t *seen, size_t seen_count, int32_t target,
                  size_t K);

/* Ranks by the encoder alone: E's last row · items.  ERROR_MALFORMED where these are no numbers. */
typedef struct {
	const Encoder *encoder;
	const Translation *translation;
	bool keep_seen;
	GemmPrecision precision;
	const int64_t *asked_at; /* when every question is asked, in seconds; NULL: as the data has it */
	Profile *profile;        /* of encoder_ranker_start(); NULL: nothing is counted */
	ItemVectors items;       /* of it */
} EncoderRanker;
/* Computes the items once for all questions; the encoder's weights must not change until it is freed. */
bool encoder_ranker_start(EncoderRanker *r, Pool *pool, Error *e);
void encoder_ranker_free(EncoderRanker *r);
Ranker encoder_ranker(EncoderRanker *context);

/* Most-popular (how often an item occurs in the training events) and co-occurrence (how often
 * it follows the user's last item there, directly; ties by popularity). */
typedef struct {
	const Dataset *data;
	bool co_occurrence, keep_seen;
	float *popularity; /* by item */
	int64_t *offsets;  /* by item: its followers */
	int32_t *followers;
} BaselineRanker;
bool baseline_new(BaselineRanker *b, const Dataset *data, const Users *users, bool co_occurrence, Error *e);
void baseline_free(BaselineRanker *b);
Ranker baseline_ranker(BaselineRanker *context);

#endif
