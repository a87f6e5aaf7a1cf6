#include "user/task.h"

#include <string.h>

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
	for (size_t i = 0; i < values.count; i++) {
		Text value = strings_at(&f->values.strings, (size_t)values.values[i]);
		if (i == 0 && !buffer_print(b, e, ". %s: ", f->name))
			return false;
		if (!buffer_print(b, e, "%s%.*s", i ? ", " : "", (int)value.size, value.data))
			return false;
	}
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

bool answer_tokens(const Tokenizer *tokenizer, Text name, Tokens *out, Error *e)
{
	const TokenizerModel *model = tokenizer_model(tokenizer);
	Buffer spaced = {0};
	if (model->eos == TOKEN_NONE)
		return fail(e, ERROR_USAGE,
		            "the LLM has no end token, so that no answer could be told from its beginning");
	/* SentencePiece puts the space in front by itself. */
	bool adds_space = model->kind == TOKENIZER_SENTENCEPIECE && model->add_space_prefix;
	bool done = (adds_space || buffer_append(&spaced, " ", 1, e)) &&
	            buffer_append(&spaced, name.data, name.size, e) &&
	            tokenizer_encode(tokenizer, (Text){(const char *)spaced.data, spaced.size}, 0, out, e) &&
	            memory_grow(&out->ids, &out->capacity, out->count + 1, sizeof *out->ids, e);
	if (done)
		out->ids[out->count++] = model->eos;
	buffer_free(&spaced);
	return done;
}

bool answer_trie(const Tokenizer *tokenizer, const Strings *names, Trie *trie, Error *e)
{
	Tokens tokens = {0};
	bool done = true;
	for (size_t id = ID_FIRST; done && id < names->count; id++) {
		Text name = strings_at(names, id);
		tokens.count = 0;
		done = answer_tokens(tokenizer, name, &tokens, e);
		if (done && !trie_add(trie, tokens.ids, tokens.count, (int32_t)id, e))
			done = fail_in(e, "the LLM's tokens for '%.*s'", (int)name.size, name.data);
	}
	tokens_free(&tokens);
	return done;
}
