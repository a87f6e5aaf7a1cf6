#include "user/task.h"

#include <stdio.h>
#include <string.h>

void task_league(TaskKind kind, bool knows_time, char name[static 64])
{
	Text word = word_at(TASKS, kind);
	snprintf(name, 64, "%.*s%s", (int)word.size, word.data, knows_time ? " (query time)" : "");
}

static const TextField *title_field(const Dataset *data)
{
	const TextField *first = NULL;
	for (size_t i = 0; i < data->text_count; i++) {
		const TextField *t = &data->texts[i];
		if (t->of_item && strcmp(t->name, "title") == 0)
			return t;
		if (t->of_item && first == NULL)
			first = t;
	}
	return first;
}

bool items_have_titles(const Dataset *data)
{
	return title_field(data) != NULL;
}

static bool add_name(const Dataset *data, const TextField *titles, size_t id, Vocabulary *taken, Buffer *name,
                     Error *e)
{
	Text text = titles ? strings_at(&titles->by_item, id) : (Text){0};
	Text own = strings_at(&data->items.strings, id);
	name->size = 0;
	if (text.size == 0)
		text = own;
	if (!buffer_append(name, text.data, text.size, e))
		return false;
	for (;;) {
		size_t count = taken->strings.count;
		int64_t place = vocabulary_add(taken, (Text){(const char *)name->data, name->size}, e);
		if (place < 0)
			return false;
		if ((size_t)place == count)
			return true;
		if (!buffer_print(name, e, " [%.*s]", (int)own.size, own.data))
			return false;
	}
}

bool item_names(const Dataset *data, Strings *names, Error *e)
{
	const TextField *titles = title_field(data);
	Vocabulary taken = {0};
	Buffer name = {0};
	bool done = true;
	for (size_t id = 0; done && id < data->items.strings.count; id++) {
		name.size = 0;
		done = (id < (size_t)ID_FIRST || add_name(data, titles, id, &taken, &name, e)) &&
		       strings_append(names, name.data, name.size, e);
	}
	buffer_free(&name);
	vocabulary_free(&taken);
	return done;
}

/* ". genres: Drama, War" */
static bool add_values(const Feature *f, Ids values, Buffer *b, Error *e)
{
	size_t before = b->size;
	if (!buffer_print(b, e, ". %s: ", f->name))
		return false;
	size_t named = b->size;
	if (!values_append(f, values, b, e))
		return false;
	b->size = b->size > named ? b->size : before;
	return true;
}

bool event_sentence(const Dataset *data, const Users *users, const Strings *names, size_t event,
                    bool features, Buffer *out, Error *e)
{
	Text name = strings_at(names, (size_t)users->items[event]);
	if (!buffer_append(out, name.data, name.size, e))
		return false;
	for (size_t i = 0; features && i < data->feature_count; i++)
		if (!add_values(&data->features[i], event_feature(data, users, i, event), out, e))
			return false;
	return true;
}

static bool add_item_features(const Dataset *data, size_t id, Buffer *b, Error *e)
{
	for (const Feature *f = data->features; f < data->features + data->feature_count; f++)
		if (f->of_item && !add_values(f, id_list(&f->by_item, id), b, e))
			return false;
	for (const TextField *t = data->texts; t < data->texts + data->text_count; t++) {
		Text text = t->of_item && t != title_field(data) ? strings_at(&t->by_item, id) : (Text){0};
		if (text.size > 0 && !buffer_print(b, e, ". %s: %.*s", t->name, (int)text.size, text.data))
			return false;
	}
	return true;
}

static bool add_event_texts(const Dataset *data, const Users *users, Strings *texts, Error *e)
{
	for (size_t user = 0; user < users->count; user++) {
		Segment s = dataset_segment(data, users, user, PART_TRAIN);
		for (size_t event = s.first; event < s.end; event++)
			for (size_t i = 0; i < data->text_count; i++) {
				Text text = {0};
				if (!data->texts[i].of_item)
					text = strings_at(&users->texts[i], event);
				if (text.size > 0 && !strings_append(texts, text.data, text.size, e))
					return false;
			}
	}
	return true;
}

bool dataset_texts(const Dataset *data, const Users *users, const char *query, Strings *texts, Error *e)
{
	Strings names = {0};
	Buffer b = {0};
	bool done = item_names(data, &names, e);
	for (size_t id = ID_FIRST; done && id < names.count; id++) {
		Text name = strings_at(&names, id);
		b.size = 0;
		done = buffer_print(&b, e, "%s %.*s", query, (int)name.size, name.data) &&
		       strings_append(texts, b.data, b.size, e);
		b.size = 0;
		done = done && buffer_append(&b, name.data, name.size, e) &&
		       add_item_features(data, id, &b, e) && strings_append(texts, b.data, b.size, e);
	}
	buffer_free(&b);
	strings_free(&names);
	return done && add_event_texts(data, users, texts, e);
}

static bool is_event_text(const Dataset *data, const char *name)
{
	for (size_t i = 0; i < data->text_count; i++)
		if (!data->texts[i].of_item && strcmp(data->texts[i].name, name) == 0)
			return true;
	return false;
}

/* The first text of events, or feature of items: by name where there is one. */
static const char *field_of(TaskKind kind, const Dataset *data, const char *name)
{
	if (name != NULL)
		return name;
	for (size_t i = 0; kind == TASK_FAVORITE && i < data->feature_count; i++)
		if (data->features[i].of_item)
			return data->features[i].name;
	for (size_t i = 0; kind == TASK_REVIEW && i < data->text_count; i++)
		if (!data->texts[i].of_item)
			return data->texts[i].name;
	return NULL;
}

static bool has_rating(const Dataset *data)
{
	for (size_t i = 0; i < data->feature_count; i++)
		if (strcmp(data->features[i].name, "rating") == 0)
			return true;
	return false;
}

bool task_templates(TaskKind kind, const Dataset *data, const char *field, char **query, char **target,
                    Error *e)
{
	Buffer q = {0}, t = {0};
	const char *name = field_of(kind, data, field);
	if (name == NULL && kind == TASK_FAVORITE)
		return fail(e, ERROR_USAGE, "no item of the data has a feature that could be a favorite");
	if (kind == TASK_REVIEW && name != NULL && !is_event_text(data, name))
		return fail(e, ERROR_USAGE, "'%s' is no text of events, which a review would be", name);
	if (name == NULL && kind == TASK_REVIEW)
		return fail(e, ERROR_USAGE, "no event of the data has a text that could be a review");
	bool done = false;
	if (kind == TASK_FAVORITE)
		done =
		    buffer_print(&q, e, "Favorite %s:", name) && buffer_print(&t, e, "{favorite.%s}", name);
	else if (kind == TASK_REVIEW)
		done =
		    buffer_print(&q, e, "Review of {item}%s:", has_rating(data) ? ", rating {rating}" : "") &&
		    buffer_print(&t, e, "{%s}", name);
	else
		done = buffer_print(&q, e, TASK_QUERY) && buffer_print(&t, e, "{item}");
	*query = done ? memory_string((const char *)q.data, e) : NULL;
	*target = done ? memory_string((const char *)t.data, e) : NULL;
	buffer_free(&q);
	buffer_free(&t);
	return *query != NULL && *target != NULL;
}

bool task_new(Task *t, const Dataset *data, const char *query, const char *target, Error *e)
{
	*t = (Task){.data = data};
	if (data == NULL)
		return template_literal(&t->query, query, e);
	return item_names(data, &t->names, e) && template_parse(&t->query, query, data, e) &&
	       template_parse(&t->target, target, data, e);
}

void task_free(Task *t)
{
	strings_free(&t->names);
	template_free(&t->query);
	template_free(&t->target);
}

/* The feature that is asked for alone, where all of its answers are known; else NULL. */
static const Feature *ranked_feature(const Task *t)
{
	const TemplatePart *field = template_field(&t->target);
	if (field == NULL || (field->kind != FIELD_FEATURE && field->kind != FIELD_FAVORITE))
		return NULL;
	const Feature *f = &t->data->features[field->index];
	return f->of_item || !f->multiple ? f : NULL;
}

bool task_ranks(const Task *t)
{
	const TemplatePart *field = template_field(&t->target);
	return field != NULL && (field->kind == FIELD_ITEM || ranked_feature(t) != NULL);
}

/* What items have of a feature, each once; or of an event's, its values. */
static bool list_classes(const Task *t, const Feature *f, Vocabulary *classes, Error *e)
{
	size_t rows = f->of_item ? t->data->items.strings.count : f->values.strings.count;
	Buffer words = {0};
	bool done = vocabulary_start(classes, e);
	for (size_t i = ID_FIRST; done && i < rows; i++) {
		int32_t own = (int32_t)i;
		words.size = 0;
		done = values_append(f, f->of_item ? id_list(&f->by_item, i) : (Ids){&own, 1}, &words, e) &&
		       (words.size == 0 ||
		        vocabulary_add(classes, (Text){(const char *)words.data, words.size}, e) >= 0);
	}
	buffer_free(&words);
	return done;
}

bool task_choices(const Task *t, Strings *choices, Dataset *classes, Error *e)
{
	const Feature *f = ranked_feature(t);
	if (!task_ranks(t))
		return fail(e, ERROR_USAGE, "what '%s' could say is no list that could be ranked",
		            t->target.text);
	return (f == NULL || list_classes(t, f, &classes->items, e)) &&
	       item_names(f ? classes : t->data, choices, e);
}

bool answer_tokens(const Tokenizer *tokenizer, Text words, size_t most, Tokens *out, Error *e)
{
	size_t before = out->count;
	const TokenizerModel *model = tokenizer_model(tokenizer);
	Buffer spaced = {0};
	if (model->eos == TOKEN_NONE)
		return fail(e, ERROR_USAGE,
		            "the LLM has no end token, so that no answer could be told from its beginning");
	bool done = (tokenizer_prepends(tokenizer) || buffer_append(&spaced, " ", 1, e)) &&
	            buffer_append(&spaced, words.data, words.size, e) &&
	            tokenizer_encode(tokenizer, (Text){(const char *)spaced.data, spaced.size}, 0, out, e) &&
	            tokens_append(out, &model->eos, 1, e);
	if (done && out->count - before > most)
		out->count = before + most;
	buffer_free(&spaced);
	return done;
}

bool answer_trie(const Tokenizer *tokenizer, const Strings *choices, Trie *trie, Error *e)
{
	Tokens tokens = {0};
	bool done = true;
	for (size_t id = ID_FIRST; done && id < choices->count; id++) {
		Text name = strings_at(choices, id);
		tokens.count = 0;
		done = answer_tokens(tokenizer, name, SIZE_MAX, &tokens, e);
		if (done && !trie_add(trie, tokens.ids, tokens.count, (int32_t)id, e))
			done = fail_in(e, "the LLM's tokens for '%.*s'", (int)name.size, name.data);
	}
	tokens_free(&tokens);
	return done;
}
