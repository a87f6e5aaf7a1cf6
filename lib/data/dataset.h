/* A dataset: users, each an ordered list of events; an event is an item and the
 * values of its features.
 *
 * Values are numbers in vocabularies.  Every vocabulary starts with three ids of
 * its own: padding, unknown and mask.  A feature or a text belongs to the event
 * (a rating, a review) or to the item (its genres, its title): an event has the
 * features of its item, too.  The item itself is not in `features`. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/strings.h"
#include "stream/stream.h"

enum { ID_PADDING = 0, ID_UNKNOWN = 1, ID_MASK = 2, ID_FIRST = 3 };

/* What is held back from training, by its name: of each user two events, as PART_TEST and PART_VALIDATION are
 * asked for, or none. */
typedef enum { SPLIT_LEAVE_ONE_OUT, SPLIT_WINDOW, SPLIT_NONE } Split;
#define SPLITS "leave-one-out|window|none"
/* PART_ALL: what comes after all the events, which nobody knows yet. */
typedef enum { PART_TRAIN, PART_VALIDATION, PART_TEST, PART_ALL } Part;

/* Lists of ids, one list a row (an item, an event).  offsets NULL: every list
 * has exactly one element. */
typedef struct {
	int64_t *offsets;
	int32_t *values;
} IdLists;

typedef struct {
	const int32_t *values;
	size_t count;
} Ids;

Ids id_list(const IdLists *lists, size_t row);
void id_lists_free(IdLists *lists);

/* Starts an empty vocabulary with the three ids of its own. */
bool vocabulary_start(Vocabulary *v, Error *e);
Text special_name(size_t id); /* "<padding>", "<unknown>", "<mask>" for id < ID_FIRST */

typedef struct {
	char *name;
	bool of_item; /* lists are by item id and stand here; else by event, in Users */
	bool multiple;
	Vocabulary values; /* the first ID_FIRST are "<padding>", "<unknown>", "<mask>" */
	IdLists by_item;   /* item id → values; of_item only */
} Feature;

typedef struct {
	char *name;
	bool of_item;
	Strings by_item; /* item id → text; of_item only */
} TextField;

/* What holds for all users: the first document of the stream. */
typedef struct {
	Split split;
	size_t window;        /* SPLIT_WINDOW: events in a window, its label included; else 0 */
	size_t users, events; /* totals */
	bool has_time;
	Vocabulary items; /* item id → the input's own id */
	Feature *features;
	size_t feature_count;
	TextField *texts;
	size_t text_count;
} Dataset;

/* Some users and their events, oldest event first.  Event columns run over all
 * the events of all the users here. */
typedef struct {
	size_t count;
	size_t first;     /* users of the dataset that come before these */
	Strings ids;      /* the input's own user ids */
	int64_t *offsets; /* count + 1: user u has events [offsets[u], offsets[u + 1]) */
	int32_t *items;
	int64_t *times;    /* seconds; NULL without time */
	IdLists *features; /* by Dataset.features; empty where of_item */
	Strings *texts;    /* by Dataset.texts; empty where of_item */
	size_t feature_count, text_count;
} Users;

/* Values of feature f at event `event` of `users`, wherever they belong. */
Ids event_feature(const Dataset *d, const Users *users, size_t f, size_t event);

/* The user that an event is of. */
size_t users_with(const Users *users, size_t event);

/* The events of `user` that may be seen when those of `part` are predicted, and
 * what is to be predicted:
 *   leave-one-out: n ≥ 3 events: test target n-1, validation target n-2, both
 *     after all the events before; n < 3: training alone.
 *   window: the same targets, each after the window-1 events before it.
 *   none: all events are training.
 * Training events are [first, end); for validation and test the history is
 * [first, end) and the target is event `end`. */
typedef struct {
	size_t first, end; /* indices into the event columns */
	bool has_target;   /* false: this user has no target in that part */
} Segment;

Segment dataset_segment(const Dataset *d, const Users *users, size_t user, Part part);
/* What may be seen when one of the user's events is predicted, by the same rules. */
Segment dataset_history(const Dataset *d, const Users *users, size_t user, size_t event);

bool part_parse(const char *name, Part *part); /* train, val, test, all */

/* A name for a feature or a text: 1 to FEATURE_NAME_MAX of A-Z a-z 0-9 _ -, and not
 * "item". */
enum { FEATURE_NAME_MAX = 64 };
bool feature_name_valid(Text name);

/* The dataset with some of its features alone, in its own order: "NAME,NAME,…", "all" or "none".  Borrows all
 * but the list view->features, which the caller frees (memory_free()).  ERROR_USAGE for a name that it does
 * not have. */
bool dataset_view(Dataset *view, const Dataset *d, const char *names, Error *e);

void dataset_free(Dataset *d);

/* No users yet, with room for the columns that `d` has; users_free() also after an
 * error. */
bool users_new(Users *u, const Dataset *d, Error *e);
void users_free(Users *u);

/* The catalogue of a dataset (items, features, texts; not its users) as the tensors and
 * metadata of a document, which may also be a model's.  The document borrows from the
 * catalogue and the arena. */
bool catalogue_add(Document *d, Arena *arena, const Dataset *data, Error *e);
bool catalogue_read(const Document *d, Dataset *data, Error *e);

/* Reader: the first document, then chunks of users as they come. */
typedef struct DatasetReader DatasetReader;
DatasetReader *dataset_open(const char *path, Error *e);
const Dataset *dataset_of(const DatasetReader *r); /* owned by the reader */
StreamReader *dataset_stream(DatasetReader *r);
/* The next chunk of users (the caller frees it with users_free() and
 * memory_free()), or *users = NULL at the end. */
bool dataset_next(DatasetReader *r, Users **users, Error *e);
/* All the users that are left, in one. */
bool dataset_all(DatasetReader *r, Users **users, Error *e);
void dataset_close(DatasetReader *r); /* takes NULL */

/* Writer: the same in the other direction; chunks of whole users, at most about
 * 16 MiB each.  The totals come from `users`, not from d->users and d->events. */
bool dataset_write(const char *path, const Dataset *d, const Users *users, const Provenance *p, Pool *pool,
                   Error *e);

#endif
