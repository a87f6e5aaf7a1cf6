/* check_tokenizers MODELS: compares with what the reference engine made of the
 * same texts.  MODELS has vocab-gguf/ and conformance/ (its README says what is
 * there), and tokenizer.json files, whose differences are known.  A line a
 * vocabulary; exit 1 where an id differs or nothing was found. */
#include "llm/tokenizer_json.h"
#include "llm/vocabulary.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
	size_t equal, count;
} Score;

static Tokenizer *open_vocabulary(const char *path, Error *e)
{
	Gguf *g = gguf_open(path, e);
	Tokenizer *t = g ? vocabulary_read(g, e) : NULL;
	gguf_close(g);
	return t;
}

/* The numbers of a list. */
static Tokens ids_of(const json_t *list)
{
	Error e = {0};
	Tokens ids = {0};
	for (size_t i = 0; i < json_array_size(list); i++)
		if (memory_grow(&ids.ids, &ids.capacity, i + 1, sizeof *ids.ids, &e))
			ids.ids[ids.count++] = (int32_t)json_integer_value(json_array_get(list, i));
	return ids;
}

static bool same_ids(const Tokens *got, const int32_t *ids, size_t count)
{
	return got->count == count && (count == 0 || memcmp(got->ids, ids, count * sizeof *ids) == 0);
}

/* Whether `text` becomes `ids`, and these the text again. */
static bool check_text(const Tokenizer *t, Text text, const int32_t *ids, size_t count)
{
	Error e = {0};
	Tokens got = {0};
	Buffer back = {0};
	bool equal = tokenizer_encode(t, text, 0, &got, &e) && same_ids(&got, ids, count);
	if (!equal)
		fprintf(stderr, "  encoded otherwise: '%.*s'\n", (int)text.size, text.data);
	bool same = tokenizer_decode(t, got.ids, got.count, &back, &e) &&
	            text_equal(text, (Text){(char *)back.data, back.size});
	/* U+2581 is SentencePiece's own sign for a space: it comes back as one */
	same = same || memmem(text.data, text.size, "\xe2\x96\x81", 3) != NULL;
	if (!same)
		fprintf(stderr, "  decoded otherwise: '%.*s'\n", (int)text.size, text.data);
	if (e.code != ERROR_NONE)
		fprintf(stderr, "  %s\n", e.text);
	tokens_free(&got);
	buffer_free(&back);
	return equal && same;
}

static Score check_cases(const Tokenizer *t, const json_t *cases)
{
	Score score = {0};
	size_t index;
	json_t *item;
	json_array_foreach(cases, index, item)
	{
		const json_t *text = json_object_get(item, "text");
		Tokens ids = ids_of(json_object_get(item, "ids"));
		Text bytes = {json_string_value(text), json_string_length(text)};
		score.equal += check_text(t, bytes, ids.ids, ids.count);
		score.count++;
		tokens_free(&ids);
	}
	return score;
}

/* One of conformance/tokenize: the vocabulary's path is another machine's, its name is right. */
static Score check_json(const char *models, const char *path, Error *e)
{
	char file[4096];
	json_error_t problem;
	Score score = {0, 1};
	json_t *root = json_load_file(path, JSON_ALLOW_NUL, &problem);
	const char *name = json_string_value(json_object_get(root, "file"));
	if (name == NULL) {
		fail(e, ERROR_MALFORMED, "%s: cannot be used", path);
		json_decref(root);
		return score;
	}
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	snprintf(file, sizeof file, "%s/vocab-gguf/%s", models, base);
	if (access(file, R_OK) != 0)
		snprintf(file, sizeof file, "%s/conformance/set1/%s", models, base);
	Tokenizer *t = open_vocabulary(file, e);
	if (t != NULL)
		score = check_cases(t, json_object_get(root, "cases"));
	tokenizer_free(t);
	json_decref(root);
	return score;
}

static bool read_file(const char *path, Buffer *out)
{
	Error e = {0};
	FILE *file = fopen(path, "rb");
	size_t got = 1;
	while (file != NULL && got > 0 && buffer_reserve(out, 4096, &e)) {
		got = fread(out->data + out->size, 1, 4095, file);
		out->size += got;
		out->data[out->size] = '\0';
	}
	return file != NULL && fclose(file) == 0;
}

/* One of vocab-gguf: texts in X.inp, a line of ids for each in X.out. */
static Score check_lines(const char *vocabulary, Error *e)
{
	static const char separator[] = "\n__ggml_vocab_test__\n";
	char path[4096];
	Buffer texts = {0}, lines = {0};
	Score score = {0};
	Tokenizer *t = open_vocabulary(vocabulary, e);
	snprintf(path, sizeof path, "%s.inp", vocabulary);
	bool done = t != NULL && read_file(path, &texts);
	snprintf(path, sizeof path, "%s.out", vocabulary);
	done = done && read_file(path, &lines);
	char *text = (char *)texts.data, *line = (char *)lines.data, *end;
	while (done && (end = strstr(text, separator)) != NULL) {
		int32_t ids[4096];
		size_t count = 0;
		while (*line != '\n' && *line != '\0' && count < 4096) {
			ids[count++] = (int32_t)strtol(line, &line, 10);
			line += *line == ' ' && (line[1] == '\n' || line[1] == '\0');
		}
		line += *line == '\n';
		score.equal += check_text(t, (Text){text, (size_t)(end - text)}, ids, count);
		score.count++;
		text = end + sizeof separator - 1;
	}
	tokenizer_free(t);
	buffer_free(&texts);
	buffer_free(&lines);
	return score;
}

/* A folder with tokenizer.json, and the reference engine's ids for the same vocabulary;
 * so many of these differ, since the makers of the two do. */
typedef struct {
	const char *folder, *cases;
	unsigned flags;
	size_t different;
} Folder;

static Score check_folder(const char *models, const Folder *f, Error *e)
{
	char path[4096];
	Score score = {0};
	size_t index;
	json_t *item;
	json_error_t problem;
	snprintf(path, sizeof path, "%s/%s", models, f->folder);
	Tokenizer *t = tokenizer_json_read(path, e);
	snprintf(path, sizeof path, "%s/%s", models, f->cases);
	json_t *root = json_load_file(path, JSON_ALLOW_NUL, &problem);
	json_array_foreach(json_object_get(root, "cases"), index, item)
	{
		const json_t *text = json_object_get(item, "text");
		Tokens got = {0}, wanted = ids_of(json_object_get(item, "ids"));
		score.equal += t != NULL &&
		               tokenizer_encode(t, (Text){json_string_value(text), json_string_length(text)},
		                                f->flags, &got, e) &&
		               same_ids(&got, wanted.ids, wanted.count);
		score.count++;
		tokens_free(&got);
		tokens_free(&wanted);
	}
	score.count -= score.count > f->different ? f->different : 0;
	tokenizer_free(t);
	json_decref(root);
	return score;
}

static bool same_text(const Tokenizer *a, const Tokenizer *b, const json_t *text, Error *e)
{
	Text bytes = {json_string_value(text), json_string_length(text)};
	Tokens x = {0}, y = {0};
	bool same = tokenizer_encode(a, bytes, TOKENIZE_BOS, &x, e) &&
	            tokenizer_encode(b, bytes, TOKENIZE_BOS, &y, e) && same_ids(&x, y.ids, y.count);
	tokens_free(&x);
	tokens_free(&y);
	return same;
}

/* One vocabulary in both kinds of file must give the same ids. */
static Score check_twins(const char *models, const char *texts, Error *e)
{
	char path[4096];
	Score score = {0};
	size_t index;
	json_t *item;
	json_error_t problem;
	snprintf(path, sizeof path, "%s/tinystories-656k-hf", models);
	Tokenizer *a = tokenizer_json_read(path, e);
	snprintf(path, sizeof path, "%s/tinystories-656k-gguf/tinystories-656k-f32.gguf", models);
	Tokenizer *b = open_vocabulary(path, e);
	snprintf(path, sizeof path, "%s/%s", models, texts);
	json_t *root = json_load_file(path, JSON_ALLOW_NUL, &problem);
	const json_t *list = json_is_array(root) ? root : json_object_get(root, "cases");
	json_array_foreach(list, index, item)
	{
		const json_t *text = json_is_string(item) ? item : json_object_get(item, "text");
		score.equal += a != NULL && b != NULL && json_is_string(text) && same_text(a, b, text, e);
		score.count++;
	}
	tokenizer_free(a);
	tokenizer_free(b);
	json_decref(root);
	return score;
}

static bool report(const char *path, Score score, const Error *e)
{
	bool right = e->code == ERROR_NONE && score.count > 0 && score.equal == score.count;
	printf("%s %s: %zu of %zu texts %s\n", right ? "ok    " : "not ok", path, score.equal, score.count,
	       e->text);
	return right;
}

/* The number of vocabularies that are wrong. */
static size_t check_json_files(const char *models)
{
	static const Folder folders[] = {
	    {"tokenizers/gpt2", "conformance/tokenize/gpt-2.json", 0, 0},
	    {"tokenizers/qwen3", "conformance/tokenize/qwen2.json", 0, 4}, /* its NFC */
	    {"tokenizers/qwen3", "conformance/tokenize/qwen2.json", TOKENIZE_SPECIAL, 5},
	};
	static const char *const texts[] = {"conformance/tokenize/gpt-2.json",
	                                    "corpus/tinystories_1000.json"};
	size_t wrong = 0;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		Error e = {0};
		wrong += !report(folders[i].folder, check_folder(models, &folders[i], &e), &e);
	}
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		Error e = {0};
		wrong += !report("tinystories-656k", check_twins(models, texts[i], &e), &e);
	}
	return wrong;
}

int main(int argc, char **argv)
{
	char pattern[4096];
	glob_t found = {0};
	size_t wrong = 0;
	if (argc != 2) {
		fprintf(stderr, "usage: check_tokenizers MODELS\n");
		return ERROR_USAGE;
	}
	snprintf(pattern, sizeof pattern, "%s/conformance/tokenize/*.json", argv[1]);
	int tokenize = glob(pattern, 0, NULL, &found);
	snprintf(pattern, sizeof pattern, "%s/vocab-gguf/*.gguf.inp", argv[1]);
	int lines = glob(pattern, GLOB_APPEND, NULL, &found);
	int own = glob("tests/models/tokenize/*.json", GLOB_APPEND, NULL, &found); /* of make_texts.py */
	if (tokenize != 0 || lines != 0 || own != 0)
		wrong++;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *path = found.gl_pathv[i], *end = path + strlen(path) - 4;
		Error e = {0};
		bool json = strcmp(end, "json") == 0;
		*end = json ? *end : '\0'; /* X.gguf.inp: the vocabulary is X.gguf */
		wrong += !report(path, json ? check_json(argv[1], path, &e) : check_lines(path, &e), &e);
	}
	globfree(&found);
	wrong += check_json_files(argv[1]);
	return wrong > 0 ? ERROR_FAILURE : 0;
}
