/* A small dataset in memory, with a column of every kind:
 *   rating  an event's, one value      tags   an event's, several values
 *   genre   an item's, several values  brand  an item's, one value
 *   review  an event's text            title  an item's text
 * User u has lengths[u] events; event i of a user is item (u + i) % items. */
#ifndef SAMPLE_DATASET_H
#define SAMPLE_DATASET_H

#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
	Dataset data;
	Users users;
} Sample;

static void sample_must(bool done, const Error *e)
{
	if (!done) {
		fprintf(stderr, "sample dataset: %s\n", e->text);
		abort();
	}
}

static void sample_vocabulary(Vocabulary *v, const char *stem, size_t count)
{
	Error e = {0};
	char name[64];
	sample_must(vocabulary_start(v, &e), &e);
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s%zu", stem, i);
		sample_must(vocabulary_add(v, text_of(name), &e) >= 0, &e);
	}
}

/* `rows` lists of 0, 1, 2, 0, … ids, or of one; of `values` values. */
static IdLists sample_lists(size_t rows, size_t values, bool multiple)
{
	Error e = {0};
	IdLists lists = {.values = memory_new(2 * rows + 1, sizeof(int32_t), &e)};
	lists.offsets = multiple ? memory_new(rows + 1, sizeof(int64_t), &e) : NULL;
	sample_must(e.code == ERROR_NONE, &e);
	size_t count = 0;
	for (size_t row = 0; row < rows; row++) {
		for (size_t i = 0; i < (multiple ? row % 3 : 1); i++, count++)
			lists.values[count] = (int32_t)(ID_FIRST + (row * 7 + i) % values);
		if (multiple)
			lists.offsets[row + 1] = (int64_t)count;
	}
	return lists;
}

static Strings sample_texts(size_t rows, const char *stem)
{
	Error e = {0};
	Strings texts = {0};
	char text[64];
	for (size_t row = 0; row < rows; row++) {
		int size = snprintf(text, sizeof text, "%s no. %zu \xc3\xa9", stem, row);
		sample_must(strings_append(&texts, text, row % 4 == 0 ? 0 : (size_t)size, &e), &e);
	}
	return texts;
}

static Feature sample_feature(const char *name, bool of_item, bool multiple, size_t values, size_t items)
{
	Error e = {0};
	Feature f = {.name = memory_string(name, &e), .of_item = of_item, .multiple = multiple};
	sample_must(f.name != NULL, &e);
	sample_vocabulary(&f.values, name, values);
	if (of_item)
		f.by_item = sample_lists(items + ID_FIRST, values, multiple);
	return f;
}

static void sample_columns(Sample *s, size_t items)
{
	Error e = {0};
	Dataset *d = &s->data;
	sample_vocabulary(&d->items, "item", items);
	d->feature_count = 4;
	d->text_count = 2;
	d->features = memory_new(d->feature_count, sizeof *d->features, &e);
	d->texts = memory_new(d->text_count, sizeof *d->texts, &e);
	sample_must(d->features != NULL && d->texts != NULL, &e);
	d->features[0] = sample_feature("rating", false, false, 5, items);
	d->features[1] = sample_feature("genre", true, true, 6, items);
	d->features[2] = sample_feature("tags", false, true, 4, items);
	d->features[3] = sample_feature("brand", true, false, 3, items);
	d->texts[0] = (TextField){memory_string("title", &e), true, sample_texts(items + ID_FIRST, "title")};
	d->texts[1] = (TextField){memory_string("review", &e), false, {0}};
	sample_must(users_new(&s->users, d, &e), &e);
}

__attribute__((unused)) static void sample_new(Sample *s, Split split, size_t window, const size_t *lengths,
                                               size_t users, size_t items)
{
	Error e = {0};
	size_t events = 0;
	*s = (Sample){.data = {.split = split, .window = window, .users = users, .has_time = true}};
	sample_columns(s, items);
	memory_free(s->users.offsets);
	s->users.offsets = memory_new(users + 1, sizeof *s->users.offsets, &e);
	sample_must(e.code == ERROR_NONE, &e);
	for (size_t u = 0; u < users; u++) {
		char name[32];
		int size = snprintf(name, sizeof name, "user%zu", u);
		sample_must(strings_append(&s->users.ids, name, (size_t)size, &e), &e);
		events += lengths[u];
		s->users.offsets[u + 1] = (int64_t)events;
	}
	s->users.count = users;
	s->data.events = events;
	s->users.items = memory_new(events, sizeof *s->users.items, &e);
	s->users.times = memory_new(events, sizeof *s->users.times, &e);
	sample_must(e.code == ERROR_NONE, &e);
	for (size_t u = 0; u < users; u++)
		for (size_t i = 0; i < lengths[u]; i++) {
			size_t event = (size_t)s->users.offsets[u] + i;
			s->users.items[event] = (int32_t)(ID_FIRST + (u + i) % items);
			s->users.times[event] = (int64_t)(1000 * u + i);
		}
	s->users.features[0] = sample_lists(events, 5, false);
	s->users.features[2] = sample_lists(events, 4, true);
	s->users.texts[1] = sample_texts(events, "review");
}

__attribute__((unused)) static void sample_free(Sample *s)
{
	users_free(&s->users);
	dataset_free(&s->data);
}

#endif
