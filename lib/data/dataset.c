#include "data/dataset.h"

#include <string.h>

Ids id_list(const IdLists *lists, size_t row)
{
	if (lists->offsets == NULL)
		return (Ids){lists->values + row, 1};
	int64_t start = lists->offsets[row];
	return (Ids){lists->values + start, (size_t)(lists->offsets[row + 1] - start)};
}

Ids event_feature(const Dataset *d, const Users *users, size_t f, size_t event)
{
	const Feature *feature = &d->features[f];
	return feature->of_item ? id_list(&feature->by_item, (size_t)users->items[event])
	                        : id_list(&users->features[f], event);
}

size_t users_with(const Users *users, size_t event)
{
	size_t low = 0, high = users->count; /* the user is in [low, high) */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if ((size_t)users->offsets[middle] <= event)
			low = middle;
		else
			high = middle;
	}
	return low;
}

Segment dataset_history(const Dataset *d, const Users *users, size_t user, size_t event)
{
	size_t first = (size_t)users->offsets[user];
	if (d->split == SPLIT_WINDOW && event - first > d->window - 1)
		first = event - (d->window - 1);
	return (Segment){first, event, true};
}

Segment dataset_segment(const Dataset *d, const Users *users, size_t user, Part part)
{
	size_t first = (size_t)users->offsets[user], end = (size_t)users->offsets[user + 1];
	if (d->split == SPLIT_NONE || end - first < 3 || part == PART_ALL)
		return (Segment){first, end, false};
	if (part == PART_TRAIN)
		return (Segment){first, end - 2, false};
	return dataset_history(d, users, user, part == PART_TEST ? end - 1 : end - 2);
}

bool part_parse(const char *name, Part *part)
{
	static const char *const names[] = {"train", "val", "test", "all"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0) {
			*part = (Part)i;
			return true;
		}
	return false;
}

bool feature_name_valid(Text name)
{
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' &&
		    c != '-')
			return false;
	}
	return name.size > 0 && name.size <= FEATURE_NAME_MAX && !text_is(name, "item");
}

bool vocabulary_start(Vocabulary *v, Error *e)
{
	for (size_t i = 0; i < ID_FIRST; i++)
		if (vocabulary_add(v, special_name(i), e) < 0)
			return false;
	return true;
}

Text special_name(size_t id)
{
	static const Text names[ID_FIRST] = {{"<padding>", 9}, {"<unknown>", 9}, {"<mask>", 6}};
	return names[id];
}

void id_lists_free(IdLists *lists)
{
	memory_free(lists->offsets);
	memory_free(lists->values);
	*lists = (IdLists){0};
}

static const Feature *feature_named(const Dataset *d, Text name)
{
	for (const Feature *f = d->features; f < d->features + d->feature_count; f++)
		if (text_is(name, f->name))
			return f;
	return NULL;
}

static bool fail_unknown(const Dataset *d, Text name, Error *e)
{
	Buffer known = {0};
	bool done = d->feature_count > 0 || buffer_print(&known, e, "none");
	for (size_t f = 0; f < d->feature_count && done; f++)
		done = buffer_print(&known, e, "%s%s", f ? ", " : "", d->features[f].name);
	if (done)
		fail(e, ERROR_USAGE, "the data has no feature '%.*s': it has %.*s",
		     name.size < 100 ? (int)name.size : 100, name.data,
		     known.size < 500 ? (int)known.size : 500, (const char *)known.data);
	buffer_free(&known);
	return false;
}

bool dataset_view(Dataset *view, const Dataset *d, const char *names, Error *e)
{
	bool all = strcmp(names, "all") == 0, none = strcmp(names, "none") == 0;
	bool *chosen = memory_new(d->feature_count, sizeof *chosen, e);
	*view = *d;
	view->feature_count = 0;
	view->features = memory_new(d->feature_count, sizeof *view->features, e);
	bool done = chosen != NULL && view->features != NULL;
	while (done && !all && !none && names != NULL) {
		Text name = {names, strcspn(names, ",")};
		const Feature *f = feature_named(d, name);
		names = names[name.size] ? names + name.size + 1 : NULL;
		if (f == NULL)
			done = fail_unknown(d, name, e);
		else
			chosen[f - d->features] = true;
	}
	for (size_t f = 0; f < d->feature_count && done; f++)
		if (all || chosen[f])
			view->features[view->feature_count++] = d->features[f];
	memory_free(chosen);
	return done;
}

void dataset_free(Dataset *d)
{
	vocabulary_free(&d->items);
	for (size_t f = 0; d->features != NULL && f < d->feature_count; f++) {
		memory_free(d->features[f].name);
		vocabulary_free(&d->features[f].values);
		id_lists_free(&d->features[f].by_item);
	}
	for (size_t t = 0; d->texts != NULL && t < d->text_count; t++) {
		memory_free(d->texts[t].name);
		strings_free(&d->texts[t].by_item);
	}
	memory_free(d->features);
	memory_free(d->texts);
	*d = (Dataset){0};
}

bool users_new(Users *u, const Dataset *d, Error *e)
{
	*u = (Users){.feature_count = d->feature_count, .text_count = d->text_count};
	u->offsets = memory_new(1, sizeof *u->offsets, e);
	u->features = memory_new(d->feature_count, sizeof *u->features, e);
	u->texts = memory_new(d->text_count, sizeof *u->texts, e);
	return u->offsets != NULL && u->features != NULL && u->texts != NULL;
}

void users_free(Users *u)
{
	strings_free(&u->ids);
	memory_free(u->offsets);
	memory_free(u->items);
	memory_free(u->times);
	for (size_t f = 0; u->features != NULL && f < u->feature_count; f++)
		id_lists_free(&u->features[f]);
	for (size_t t = 0; u->texts != NULL && t < u->text_count; t++)
		strings_free(&u->texts[t]);
	memory_free(u->features);
	memory_free(u->texts);
	*u = (Users){0};
}
