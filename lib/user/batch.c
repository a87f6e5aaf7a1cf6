#include "user/encoder.h"

#include <string.h>

static bool translate_column(Translation *t, size_t c, Error *e)
{
	const Dataset *from = t->data, *to = t->encoder->catalogue;
	const Vocabulary *known = c == 0 ? &to->items : &to->features[c - 1].values, *given = &from->items;
	if (c > 0) {
		const char *name = to->features[c - 1].name;
		size_t f = 0;
		while (f < from->feature_count && strcmp(from->features[f].name, name) != 0)
			f++;
		if (f == from->feature_count)
			return fail(
			    e, ERROR_USAGE,
			    "the data has no feature '%s', which the encoder reads: give it to ul-prep with "
			    "--feature %s=COLUMN",
			    name, name);
		t->features[c] = f;
		given = &from->features[f].values;
	}
	t->ids[c] = memory_new(given->strings.count, sizeof *t->ids[c], e);
	for (size_t id = 0; t->ids[c] != NULL && id < given->strings.count; id++) {
		int64_t same = id < (size_t)ID_FIRST
		                   ? (int64_t)id
		                   : vocabulary_find(known, strings_at(&given->strings, id));
		t->ids[c][id] = same == VOCABULARY_NONE ? ID_UNKNOWN : (int32_t)same;
	}
	return t->ids[c] != NULL;
}

bool translation_new(Translation *t, const Encoder *m, const Dataset *data, Error *e)
{
	*t = (Translation){.encoder = m, .data = data};
	if (m->shape.times != TIMES_NONE && !data->has_time)
		return fail(e, ERROR_USAGE,
		            "the data has no times, which the encoder reads: give ul-prep --time COLUMN");
	t->features = memory_new(m->columns, sizeof *t->features, e);
	t->ids = memory_new(m->columns, sizeof *t->ids, e);
	if (t->features == NULL || t->ids == NULL)
		return false;
	for (size_t c = 0; c < m->columns; c++)
		if (!translate_column(t, c, e))
			return false;
	return true;
}

void translation_free(Translation *t)
{
	for (size_t c = 0; t->ids != NULL && c < t->encoder->columns; c++)
		memory_free(t->ids[c]);
	memory_free(t->ids);
	memory_free(t->features);
	*t = (Translation){0};
}

void translation_unknown(const Translation *t, size_t column, size_t *values, size_t *unknown)
{
	const Vocabulary *given =
	    column == 0 ? &t->data->items : &t->data->features[t->features[column]].values;
	*values = given->strings.count - ID_FIRST;
	*unknown = 0;
	for (size_t id = ID_FIRST; id < given->strings.count; id++)
		*unknown += t->ids[column][id] == ID_UNKNOWN;
}

/* The dataset's ids of column c at an event. */
static Ids event_column(const Translation *t, const Users *users, size_t c, size_t event)
{
	if (c == 0)
		return (Ids){&users->items[event], 1};
	return event_feature(t->data, users, t->features[c], event);
}

typedef enum { AS_EVENTS, AS_QUESTIONS, AS_TARGETS } Role;

/* Rows that follow the events of a history. */
static size_t masks_after(const Translation *t, Role role)
{
	return role == AS_QUESTIONS && t->encoder->shape.arch == ENCODER_BERT4REC;
}

static Segment newest(const Translation *t, Segment s, Role role)
{
	size_t most = t->encoder->shape.max_len - masks_after(t, role);
	if (s.end - s.first > most)
		s.first = s.end - most;
	return s;
}

/* Column c of all events; of targets, unknown values are left out and ids count from the first real one. */
static bool fill_column(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                        size_t count, size_t c, Role role, const bool *masked, Arena *arena, Error *e)
{
	size_t masks = masks_after(t, role), values = masked ? b->rows : count * masks, row = 0;
	bool targets = role == AS_TARGETS;
	for (size_t i = 0; i < count; i++) {
		Segment s = newest(t, histories[i], role);
		for (size_t event = s.first; event < s.end; event++)
			values += event_column(t, users, c, event).count;
	}
	int64_t *offsets = b->offsets[c] = arena_new(arena, b->rows + 1, sizeof *offsets, e);
	int32_t *ids = b->ids[c] = arena_new(arena, values, sizeof *ids, e);
	if (offsets == NULL || ids == NULL)
		return false;
	int64_t used = offsets[0] = 0;
	for (size_t i = 0; i < count; i++) {
		Segment s = newest(t, histories[i], role);
		for (size_t event = s.first; event < s.end; event++) {
			Ids column = event_column(t, users, c, event);
			bool hidden = masked != NULL && masked[row];
			if (hidden)
				ids[used++] = ID_MASK;
			for (size_t k = 0; k < column.count && !hidden; k++) {
				int32_t id = t->ids[c][column.values[k]];
				if (!targets || id >= ID_FIRST)
					ids[used++] = targets ? id - ID_FIRST : id;
			}
			offsets[++row] = used;
		}
		for (size_t k = 0; k < masks; k++) {
			ids[used++] = ID_MASK;
			offsets[++row] = used;
		}
	}
	return true;
}

static bool fill(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                 size_t count, Role role, const bool *masked, Arena *arena, Error *e)
{
	size_t columns = t->encoder->columns;
	*b = (EventBatch){.segment_count = count};
	for (size_t i = 0; i < count; i++) {
		Segment s = newest(t, histories[i], role);
		b->rows += s.end - s.first + masks_after(t, role);
	}
	b->offsets = arena_new(arena, columns, sizeof *b->offsets, e);
	b->ids = arena_new(arena, columns, sizeof *b->ids, e);
	if (b->offsets == NULL || b->ids == NULL)
		return false;
	for (size_t c = 0; c < columns; c++)
		if (!fill_column(b, t, users, histories, count, c, role, masked, arena, e))
			return false;
	return true;
}

static bool fill_times(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                       size_t count, Role role, Arena *arena, Error *e)
{
	bool ahead = t->encoder->shape.times == TIMES_QUERY;
	int64_t *own = arena_new(arena, b->rows, sizeof *own, e),
	        *asked = arena_new(arena, b->rows, sizeof *own, e);
	size_t row = 0;
	if (own == NULL || asked == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		Segment s = newest(t, histories[i], role);
		for (size_t event = s.first; event < s.end; event++, row++) {
			bool known = ahead && (event + 1 < s.end || s.has_target);
			own[row] = users->times[event];
			asked[row] = users->times[event + known];
		}
	}
	b->key_times = own;
	b->query_times = asked;
	return true;
}

static bool new_batch(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                      size_t count, Role role, const bool *masked, Arena *arena, Error *e)
{
	bool causal = t->encoder->shape.arch != ENCODER_BERT4REC;
	if (!fill(b, t, users, histories, count, role, masked, arena, e))
		return false;
	if (t->encoder->shape.times != TIMES_NONE &&
	    !fill_times(b, t, users, histories, count, role, arena, e))
		return false;
	b->positions = arena_new(arena, b->rows, sizeof *b->positions, e);
	b->segments = arena_new(arena, count, sizeof *b->segments, e);
	if (b->positions == NULL || b->segments == NULL)
		return false;
	size_t row = 0;
	for (size_t i = 0; i < count; i++) {
		Segment s = newest(t, histories[i], role);
		size_t length = s.end - s.first + masks_after(t, role);
		b->segments[i] = (AttentionSegment){row, length, row, length, causal};
		for (size_t k = 0; k < length; k++)
			b->positions[row++] = (int32_t)k;
	}
	return true;
}

bool batch_new(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
               size_t count, Arena *arena, Error *e)
{
	return new_batch(b, t, users, histories, count, AS_EVENTS, NULL, arena, e);
}

bool batch_questions(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                     size_t count, Arena *arena, Error *e)
{
	return new_batch(b, t, users, histories, count, AS_QUESTIONS, NULL, arena, e);
}

bool batch_masked(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                  size_t count, const bool *masked, Arena *arena, Error *e)
{
	return new_batch(b, t, users, histories, count, AS_EVENTS, masked, arena, e);
}

bool batch_targets(EventBatch *b, const Translation *t, const Users *users, const Segment *histories,
                   size_t count, Arena *arena, Error *e)
{
	return fill(b, t, users, histories, count, AS_TARGETS, NULL, arena, e);
}
