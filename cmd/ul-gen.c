/* ul-gen: models and a dataset in, answers out: JSON lines of ranked items, or text. */
#include "math/gemm.h"
#include "probe.h"
#include "profiling.h"
#include "texts.h"

#include <string.h>

static const Tool tool = {
    .name = "ul-gen",
    .synopsis = "[OPTION]... {-m ENCODER | --llm LLM | --baseline NAME} [DATA]",
    .summary =
        "Answers for each user of a dataset: the K items that come next, ranked by the user encoder (-m),\n"
        "by an LLM with the user's adapter (--llm -a, and -m or --embeddings) or without a user (--llm),\n"
        "or by a simple baseline; or text, continuing --prompt.  Or looks at the LLM: its tokens, its\n"
        "logits, and what texts are worth to it (--perplexity).",
    .examples = "  ul-gen -m encoder.ult --rank 10 data.ult | ul-eval\n"
                "  ul-gen --llm lm.gguf -m encoder.ult -a adapter.ult --rank 10 data.ult | ul-eval\n"
                "  ul-gen --llm lm.gguf --prompt 'Once upon a time'\n",
};

typedef struct {
	const char *model, *llm, *adapter, *embeddings, *baseline, *query, *catalogue, *split, *ids,
	    *precision, *output;
	int64_t at, history, rank, beam, limit;
	bool keep_seen, exact, tokenize, logits, perplexity, names_users;
	TextSettings text;
	CommonOptions common;
	Profiling profiling;
} Settings;

/* All that answers need; what is not used stays empty. */
typedef struct {
	Encoder *encoder;
	UserVectors *vectors; /* in its place */
	Llm *llm;
	Adapter *adapter;
	DatasetReader *reader, *catalogue; /* the latter: what is ranked, where that is another dataset's */
	size_t short_lists;                /* users who were given fewer than were asked for */
	Users *all;                        /* read at once where the baseline had to count them */
	Translation translation;
	EncoderRanker by_encoder;
	BaselineRanker by_baseline;
	Answerer answerer;
	Profile *profile; /* NULL: nothing is counted */
	TextWriter texts;
	Strings names; /* of the ranked catalogue */
	Strings own;   /* of the data's, for people */
	Pool *pool;
	Output output;
} Parts;

static Part part_of(const char *split)
{
	Part part = PART_TEST;
	(void)part_parse(split, &part); /* one of the words that the option takes */
	return part;
}

/* Whether the LLM itself is looked at. */
static bool probes(const Settings *s)
{
	return s->tokenize || s->logits || s->perplexity;
}

/* Logits and perplexity are looked at to see what is right, texts and ranks to have them soon. */
static bool is_exact(const Settings *s)
{
	return s->precision ? strcmp(s->precision, "f32") == 0 : s->logits || s->perplexity;
}

/* What the adapter was trained to answer, in words. */
static bool asks_task(const Settings *s)
{
	return s->adapter != NULL && s->rank == 0 && s->text.prompt == NULL && s->text.prompts == NULL &&
	       !probes(s);
}

static bool asks_for_text(const Settings *s)
{
	return s->text.prompt != NULL || s->text.prompts != NULL || asks_task(s);
}

/* What was given and means nothing to what is asked. */
static bool check_given(const Settings *s, const Option *table, size_t count, const StringList *operands,
                        Error *e)
{
	bool texts = asks_for_text(s), ranks = s->rank > 0;
	bool of_users = ranks || (s->adapter != NULL && !s->perplexity);
	bool paragraphs = s->text.format != NULL && strcmp(s->text.format, "text") == 0;
	const OptionRule rules[] = {
	    {s->text.beams > 1, "temperature top-k top-p min-p repeat-penalty",
	     "sampling, which --beams take the place of"},
	    {!option_given(table, count, "temperature"), "top-k top-p min-p",
	     "--temperature, without which nothing is drawn"},
	    {!ranks, "keep-seen catalogue beam rank-exact history", "--rank"},
	    {!paragraphs, "history", "--format text"},
	    {!ranks && !asks_task(s), "query", "--rank or an adapter"},
	    {!texts, "n-predict temperature top-k top-p min-p repeat-penalty beams stop batch chat system",
	     "texts: --prompt, --prompts, or what an adapter answers in words"},
	    {!ranks && !texts, "format", "--rank, or --prompt without users"},
	    {s->model == NULL || s->llm != NULL || strcmp(s->split, "all") != 0, "at",
	     "-m alone and --split all"},
	    {s->exact, "beam", "a search, not with --rank-exact"},
	    {s->llm == NULL, "query catalogue beam rank-exact precision", "--llm"},
	    {probes(s), "profile", "answers"},
	    {s->tokenize, "precision", "products, of which this has none"},
	    {!of_users, "split limit",
	     "users, whom --rank asks about, or with an adapter (-a) --prompt does"},
	};
	if (!options_check(table, count, rules, sizeof rules / sizeof *rules, e))
		return false;
	if (!tool_check_standard_input(table, count, operands,
	                               ranks || asks_task(s) || s->tokenize || s->perplexity, e))
		return false;
	return of_users || s->tokenize || s->perplexity || operands->count == 0 ||
	       fail(e, ERROR_USAGE, "'%s' is not read: %s", operands->items[0],
	            s->logits ? "--logits are of --ids alone"
	                      : "a --prompt knows users through an adapter alone (-a)");
}

static bool check(const Settings *s, Error *e)
{
	int ways = (s->llm != NULL) + (s->baseline != NULL) + (s->model != NULL && s->llm == NULL);
	if (ways != 1)
		return fail(e, ERROR_USAGE, "who answers? %s of -m ENCODER, --llm LLM and --baseline NAME%s",
		            ways ? "only one" : "one", ways ? " at a time" : " is needed");
	if (s->adapter != NULL && s->llm == NULL)
		return fail(e, ERROR_USAGE, "an adapter belongs to an LLM: -a needs --llm");
	if (s->llm != NULL && s->model != NULL && s->adapter == NULL)
		return fail(e, ERROR_USAGE,
		            "an encoder and an LLM need the adapter that joins them: -a ADAPTER");
	if (s->embeddings != NULL && (s->adapter == NULL || s->model != NULL))
		return fail(e, ERROR_USAGE,
		            "--embeddings go with an adapter (-a), in the place of an encoder (-m)");
	int questions = (s->rank > 0) + (s->text.prompt != NULL) + (s->text.prompts != NULL) + s->tokenize +
	                s->logits + s->perplexity + asks_task(s);
	if (questions != 1)
		return fail(
		    e, ERROR_USAGE,
		    "what is asked? %s of --rank K, --prompt TEXT, --prompts FILE, --tokenize, --logits "
		    "and --perplexity%s",
		    questions ? "only one" : "one", questions ? " at a time" : " is needed");
	if (s->rank == 0 && s->llm == NULL)
		return fail(e, ERROR_USAGE, "only an LLM knows texts: --llm LLM is missing");
	if (s->adapter != NULL && (s->tokenize || s->logits))
		return fail(e, ERROR_USAGE,
		            "an adapter (-a) goes with --rank, --prompt, --prompts and --perplexity");
	if (s->text.system != NULL && !s->text.chat)
		return fail(e, ERROR_USAGE, "--system goes with --chat");
	if (s->logits != (s->ids != NULL))
		return fail(e, ERROR_USAGE, "--logits and --ids FILE go together");
	return true;
}

/* What is asked of users, or without them. */
static bool check_users(const Settings *s, bool knows, bool users, Error *e)
{
	if (users && s->rank == 0 && s->text.format != NULL && strcmp(s->text.format, "text") == 0)
		return fail(e, ERROR_USAGE,
		            "texts for users are JSON lines: --format text is for --rank, or --prompt "
		            "without users");
	if (knows && s->text.prompts != NULL)
		return fail(e, ERROR_USAGE, "users (-a) are asked one --prompt, or to --rank");
	if (users && s->text.chat)
		return fail(e, ERROR_USAGE, "users (-a) are asked a query, and do not --chat");
	return users || !s->names_users ||
	       fail(e, ERROR_USAGE, "%s knows no users: DATA, --split and --limit go with one that does",
	            s->adapter);
}

/* The answerer for the LLM's ways; data is NULL where there are no users. */
static bool open_llm(const Settings *s, Parts *p, Error *e)
{
	const Dataset *data = p->reader ? dataset_of(p->reader) : NULL;
	const char *words = s->text.prompt ? s->text.prompt : s->query;
	if (!answerer_new(&p->answerer, p->llm, p->adapter, data,
	                  p->catalogue ? dataset_of(p->catalogue) : NULL, words, s->text.prompt != NULL, e))
		return false;
	if (p->encoder != NULL &&
	    !tool_check_data(&tool, &p->answerer.reader.translation, s->common.quiet, e))
		return false;
	if (s->keep_seen && p->answerer.catalogue == &p->answerer.classes)
		return fail(e, ERROR_USAGE,
		            "--keep-seen is for items: nothing else is left out for having been seen");
	p->answerer.beam = s->exact ? 0 : (size_t)s->beam;
	p->answerer.exact = is_exact(s);
	p->answerer.keep_seen = s->keep_seen;
	p->answerer.profile = p->profile;
	return true;
}

static bool open_ranker(const Settings *s, Parts *p, Ranker *ranker, Error *e)
{
	const Dataset *data = dataset_of(p->reader);
	if (s->llm != NULL) {
		if (!answerer_ranker(&p->answerer, ranker, e))
			return false;
	} else if (s->baseline != NULL) {
		if (!dataset_all(p->reader, &p->all, e) ||
		    !baseline_new(&p->by_baseline, data, p->all, strcmp(s->baseline, "co-occurrence") == 0,
		                  e))
			return false;
		p->by_baseline.keep_seen = s->keep_seen;
		*ranker = baseline_ranker(&p->by_baseline);
	} else {
		if (!translation_new(&p->translation, p->encoder, data, e) ||
		    !tool_check_data(&tool, &p->translation, s->common.quiet, e))
			return false;
		if (s->at >= 0 && p->encoder->shape.times != TIMES_QUERY)
			return fail(e, ERROR_USAGE,
			            "--at means nothing to %s: it was not trained with --query-time",
			            s->model);
		p->by_encoder = (EncoderRanker){.encoder = p->encoder,
		                                .translation = &p->translation,
		                                .keep_seen = s->keep_seen,
		                                .precision = GEMM_F32,
		                                .asked_at = s->at >= 0 ? &s->at : NULL,
		                                .profile = p->profile};
		if (!encoder_ranker_start(&p->by_encoder, p->pool, e))
			return false;
		*ranker = encoder_ranker(&p->by_encoder);
	}
	ranker->profile = p->profile;
	return item_names(ranker->catalogue, &p->names, e) && item_names(data, &p->own, e);
}

/* Weights are laid out once for all answers. */
static bool pack(const Settings *s, const Parts *p, Error *e)
{
	bool bf16 = s->precision != NULL && strcmp(s->precision, "bf16") == 0;
	GemmPrecision precision;
	return gemm_precision(bf16 ? "bf16" : "f32", &precision, e) &&
	       (p->encoder == NULL ||
	        parameters_pack(&p->encoder->parameters, GEMM_F32, false, p->pool, e)) &&
	       (p->llm == NULL || parameters_pack(&p->llm->parameters, precision, false, p->pool, e)) &&
	       (p->adapter == NULL || parameters_pack(&p->adapter->parameters, GEMM_F32, false, p->pool, e));
}

static bool load_models(const Settings *s, Parts *p, Error *e)
{
	UserSource from = {0};
	if ((s->model != NULL && (p->encoder = encoder_load(s->model, &from.encoder_hash, e)) == NULL) ||
	    (s->embeddings != NULL && (p->vectors = vectors_open(s->embeddings, e)) == NULL))
		return false;
	from.encoder = p->encoder;
	from.vectors = p->vectors;
	return (s->llm == NULL || (p->llm = llm_load(s->llm, LLM_AS_STORED, e)) != NULL) &&
	       (s->adapter == NULL || (p->adapter = adapter_load(s->adapter, &from, p->llm, e)) != NULL);
}

/* Parts follow each other in time. */
static void say_what_is_known(const Settings *s, const UserVectors *v)
{
	if (v != NULL && v->split != NULL && part_of(v->split) > part_of(s->split) && !s->common.quiet)
		tool_say(&tool, "%s: embeddings of --split %s know what --split %s asks for", v->path,
		         v->split, s->split);
}

static bool open_parts(const Settings *s, const char *path, Parts *p, Error *e)
{
	if (!load_models(s, p, e))
		return false;
	say_what_is_known(s, p->vectors);
	bool knows = p->adapter != NULL && p->adapter->shape.inject != INJECT_NONE;
	bool users = s->rank > 0 || knows || asks_task(s);
	return check_users(s, knows, users, e) &&
	       (!users || ((p->reader = dataset_open(path, e)) != NULL &&
	                   tool_check_part(dataset_of(p->reader), part_of(s->split), e))) &&
	       (s->catalogue == NULL || (p->catalogue = dataset_open(s->catalogue, e)) != NULL) &&
	       (s->llm == NULL || open_llm(s, p, e)) &&
	       (p->pool = pool_new((size_t)s->common.threads, e)) != NULL && pack(s, p, e) &&
	       (!users || output_differs(s->output, path, e)) && output_open(&p->output, s->output, false, e);
}

static void close_parts(Parts *p)
{
	output_abort(&p->output);
	pool_free(p->pool);
	answerer_free(&p->answerer);
	baseline_free(&p->by_baseline);
	encoder_ranker_free(&p->by_encoder);
	if (p->translation.encoder != NULL)
		translation_free(&p->translation);
	strings_free(&p->names);
	strings_free(&p->own);
	if (p->all != NULL)
		users_free(p->all);
	memory_free(p->all);
	dataset_close(p->reader);
	dataset_close(p->catalogue);
	adapter_free(p->adapter);
	vectors_free(p->vectors);
	llm_free(p->llm);
	encoder_free(p->encoder);
}

/* Whoever knows the target's time plays in a league of its own. */
static bool knows_time(const Parts *p)
{
	return users_know_time(&(UserSource){.encoder = p->encoder, .vectors = p->vectors});
}

/* What would have been right, as an id or as a name; empty where nobody knows. */
static bool find_truth(const Parts *p, const Query *q, bool name, Buffer *words, Error *e)
{
	words->size = 0;
	if (p->llm != NULL && p->answerer.catalogue == &p->answerer.classes)
		return answerer_target(&p->answerer, q, words, e);
	if (q->target < ID_FIRST)
		return true;
	Text text = strings_at(name ? &p->own : &dataset_of(p->reader)->items.strings, (size_t)q->target);
	return buffer_append(words, text.data, text.size, e);
}

static json_t *ranking_json(const Parts *p, const Dataset *catalogue, const Query *q, const Ranking *r,
                            Text truth)
{
	json_t *items = json_array(), *titles = json_array(), *scores = json_array();
	for (size_t i = 0; i < r->count; i++) {
		json_array_append_new(
		    items, json_of_text(strings_at(&catalogue->items.strings, (size_t)r->items[i])));
		json_array_append_new(titles, json_of_text(strings_at(&p->names, (size_t)r->items[i])));
		json_array_append_new(scores, json_real((double)r->scores[i]));
	}
	char task[64];
	task_league(p->adapter ? p->adapter->task.kind : TASK_NEXT_ITEM, knows_time(p), task);
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "user",
	                 json_of_text(strings_at(&q->users->ids, q->user)), "task", task, "target",
	                 truth.size > 0 ? json_of_text(truth) : json_null(), "rank",
	                 r->rank != 0 ? json_integer((json_int_t)r->rank) : json_null(), "items", items,
	                 "titles", titles, "scores", scores);
}

static bool write_line(Parts *p, const Dataset *catalogue, const Query *q, const Ranking *r, Error *e)
{
	Buffer truth = {0};
	bool done = find_truth(p, q, false, &truth, e) &&
	            write_json_line(
	                &p->output,
	                ranking_json(p, catalogue, q, r, (Text){(const char *)truth.data, truth.size}), e);
	buffer_free(&truth);
	return done;
}

/* A name on one line of a terminal: control characters become spaces. */
static bool print_name(Buffer *b, const char *before, Text name, Error *e)
{
	size_t from = b->size + strlen(before);
	if (!buffer_append(b, before, strlen(before), e) || !buffer_append(b, name.data, name.size, e))
		return false;
	for (size_t i = from; i < b->size; i++)
		b->data[i] = b->data[i] < ' ' || b->data[i] == 0x7f ? ' ' : b->data[i];
	return true;
}

/* The last events of a history, for people. */
static bool print_history(const Settings *s, const Query *q, const Strings *names, Buffer *b, Error *e)
{
	size_t first = q->history.first, end = q->history.end, most = (size_t)s->history;
	size_t shown = end - first > most ? end - most : first;
	if (!print_name(b, "user ", strings_at(&q->users->ids, q->user), e) || !buffer_print(b, e, " had:"))
		return false;
	for (size_t event = shown; event < end; event++)
		if (!print_name(b, event > shown ? " | " : " ",
		                strings_at(names, (size_t)q->users->items[event]), e))
			return false;
	return true;
}

static bool print_query(const Parts *p, const Query *q, Buffer *b, Error *e)
{
	const Task *task = &p->answerer.task;
	Buffer asked = {0};
	bool done = p->llm ? template_fill(&task->query, task->data, &task->names, q, &asked, e)
	                   : buffer_print(&asked, e, "(ranks alone)");
	done = done && print_name(b, "\n  asked: ", (Text){(const char *)asked.data, asked.size}, e) &&
	       buffer_print(b, e, "%s\n  said:", knows_time(p) ? " (query time)" : "");
	buffer_free(&asked);
	return done;
}

/* A user as a paragraph of four lines: had, asked, said, took. */
static bool write_paragraph(const Settings *s, Parts *p, const Query *q, const Ranking *r, Error *e)
{
	Buffer b = {0}, truth = {0};
	bool done = print_history(s, q, &p->own, &b, e) && print_query(p, q, &b, e) &&
	            find_truth(p, q, true, &truth, e);
	for (size_t i = 0; done && i < r->count; i++)
		done = print_name(&b, i ? " | " : " ", strings_at(&p->names, (size_t)r->items[i]), e);
	if (done && truth.size > 0)
		done = print_name(&b, "\n  took: ", (Text){(const char *)truth.data, truth.size}, e);
	done = done && buffer_print(&b, e, "\n\n") && output_write(&p->output, b.data, b.size, e);
	buffer_free(&truth);
	buffer_free(&b);
	return done;
}

/* Answers for some users from number *next on, and writes them. */
static bool write_some(const Settings *s, Parts *p, const Ranker *ranker, const Users *users, size_t most,
                       size_t *next, size_t *written, Error *e)
{
	Rankings answers;
	const Dataset *data = dataset_of(p->reader);
	if (!rank_users(ranker, data, users, part_of(s->split), (size_t)s->rank, most, next, p->pool,
	                &answers, e))
		return false;
	bool done = true, text = s->text.format != NULL && strcmp(s->text.format, "text") == 0;
	for (size_t i = 0; done && i < answers.count; i++) {
		const Query *q = &answers.queries[i];
		const Ranking *r = &answers.answers[i];
		p->short_lists += r->count < (size_t)s->rank;
		done = text ? write_paragraph(s, p, q, r, e) : write_line(p, ranker->catalogue, q, r, e);
	}
	*written += answers.count;
	rankings_free(&answers);
	return done;
}

static bool write_rankings(const Settings *s, Parts *p, const Ranker *ranker, const Users *users,
                           size_t *written, Error *e)
{
	enum { SOME = 256 };
	for (size_t next = 0; next < users->count;) {
		size_t left = s->limit > 0 ? (size_t)s->limit - *written : SOME;
		if (left == 0)
			break;
		if (!write_some(s, p, ranker, users, left < SOME ? left : SOME, &next, written, e))
			return false;
		if (!s->common.quiet)
			tool_progress(&tool, false, "%zu of %zu users", *written,
			              dataset_of(p->reader)->users);
	}
	return true;
}

static bool write_texts(const Settings *s, Parts *p, const Users *users, size_t *written, Error *e)
{
	Query *questions = memory_new(users->count, sizeof *questions, e);
	size_t count = 0;
	bool done = questions != NULL;
	for (size_t user = 0; done && user < users->count; user++)
		if ((s->limit == 0 || *written + count < (size_t)s->limit) &&
		    query_of(dataset_of(p->reader), users, user, part_of(s->split), &questions[count]))
			count++;
	done = done && texts_of_users(&p->texts, questions, count, *written, e);
	*written += count;
	memory_free(questions);
	return done;
}

/* Why lists may be shorter than was asked for. */
static void say_short(const Settings *s, const Parts *p, const Ranker *ranker)
{
	bool classes = ranker->catalogue == &p->answerer.classes, searches = p->llm != NULL && !s->exact;
	tool_say(&tool, "%zu were given fewer than %zu: there are %zu%s%s", p->short_lists, (size_t)s->rank,
	         ranker->catalogue->items.strings.count - ID_FIRST,
	         classes || s->keep_seen ? "" : ", without those that a user has had (--keep-seen)",
	         searches ? ", of which --beam leaves some unread (--rank-exact)" : "");
}

/* Chunk by chunk, in the order of the input. */
static bool answer_all(const Settings *s, Parts *p, Error *e)
{
	Ranker ranker = {0};
	size_t written = 0, users_read = 0;
	if (s->rank > 0 && !open_ranker(s, p, &ranker, e))
		return false;
	for (;;) {
		Users *users = p->all;
		p->all = NULL;
		if (users == NULL && !dataset_next(p->reader, &users, e))
			return false;
		if (users == NULL)
			break;
		bool done = s->rank > 0 ? write_rankings(s, p, &ranker, users, &written, e)
		                        : write_texts(s, p, users, &written, e);
		users_read += users->count;
		users_free(users);
		memory_free(users);
		if (!done)
			return false;
	}
	if (!s->common.quiet)
		tool_say(&tool, "answered for %zu user%s", written, written == 1 ? "" : "s");
	if (!s->common.quiet && p->short_lists > 0)
		say_short(s, p, &ranker);
	if (!s->common.quiet && s->limit == 0 && written < users_read)
		tool_say(&tool, "%zu users have no event that --split %s asks for", users_read - written,
		         s->split);
	return true;
}

static bool write_profile(const Settings *s, Error *e)
{
	static const Phase phases[] = {PHASE_ENCODER, PHASE_ADAPTER, PHASE_PROMPT,
	                               PHASE_ANSWER,  PHASE_RANK,    PHASE_EVALUATION};
	return profiling_write(&s->profiling, tool.name, phases, sizeof phases / sizeof *phases, e);
}

static void say_cut(const Llm *llm, size_t count, const char *how)
{
	tool_say(&tool, "%zu of the texts %s cut %s %zu tokens, %s", count, count == 1 ? "was" : "were", how,
	         llm->most_positions, llm_limit(llm));
}

/* What texts are worth to the LLM, as an adapter tuned it: nobody asks the user. */
static bool probe_texts(const Settings *s, const Parts *p, const StringList *files, Error *e)
{
	size_t cut = 0;
	if (!probe_worth(p->llm, files, is_exact(s), s->output, p->pool, &cut, e))
		return false;
	if (cut > 0 && !s->common.quiet)
		say_cut(p->llm, cut, "into pieces of");
	return true;
}

/* What the LLM itself makes of texts and tokens. */
static bool probe(const Settings *s, const StringList *operands, Error *e)
{
	Parts p = {0};
	if (s->tokenize)
		return probe_tokens(s->llm, operands, s->output, e);
	bool done = load_models(s, &p, e) && (p.pool = pool_new((size_t)s->common.threads, e)) != NULL &&
	            pack(s, &p, e) &&
	            (s->logits ? probe_logits(p.llm, s->ids, is_exact(s), s->output, p.pool, e)
	                       : probe_texts(s, &p, operands, e));
	close_parts(&p);
	return done;
}

static bool generate(Settings *s, const char *path, Error *e)
{
	Parts p = {.profile = profiling_profile(&s->profiling)};
	bool done = profiling_start(&s->profiling, path, e) && open_parts(s, path, &p, e) &&
	            (s->rank > 0 || text_writer_new(&p.texts, &s->text, &p.answerer, p.reader != NULL,
	                                            &p.output, p.pool, e)) &&
	            (p.reader == NULL ? texts_of_prompts(&p.texts, e) : answer_all(s, &p, e)) &&
	            output_close(&p.output, e) && write_profile(s, e);
	if (done && !s->common.quiet && p.texts.cut > 0)
		say_cut(p.llm, p.texts.cut, "off at");
	close_parts(&p);
	return done;
}

int main(int argc, char **argv)
{
	Settings s = {.split = "test",
	              .at = -1,
	              .history = 5,
	              .beam = 64,
	              .text = {.most = 64, .top_p = 1, .penalty = 1, .beams = 1, .batch = 32}};
	Option table[] = {
	    [COMMON_OPTIONS] = {"model", 'm', OPTION_STRING, &s.model, "ENCODER", "the user encoder",
	                        .input = true},
	    {"llm", 0, OPTION_STRING, &s.llm, "LLM",
	     "the language model: a GGUF file, or a Hugging Face folder", .input = true},
	    {"adapter", 'a', OPTION_STRING, &s.adapter, "ADAPTER",
	     "what joins the two, or goes with the LLM alone, from ul-finetune", .input = true},
	    {"embeddings", 0, OPTION_STRING, &s.embeddings, "FILE",
	     "users of -a, in the place of -m: its latents, of ul-embed -a, or vectors as it was trained on",
	     .input = true},
	    {"baseline", 0, OPTION_CHOICE, &s.baseline, "most-popular|co-occurrence",
	     "rank by counts of the training events: of items, or of what follows the user's last item"},
	    {"rank", 0, OPTION_INTEGER, &s.rank, "K", "the K items that come next", 1, 1e6},
	    {"prompt", 0, OPTION_STRING, &s.text.prompt, "TEXT", "text that the LLM continues"},
	    {"prompts", 0, OPTION_STRING, &s.text.prompts, "FILE",
	     "texts that the LLM continues, a line each (-: standard input)", .input = true},
	    {"chat", 0, OPTION_FLAG, &s.text.chat, NULL,
	     "prompts are what a user says to the LLM, in the format that it was trained to chat in"},
	    {"system", 0, OPTION_STRING, &s.text.system, "TEXT", "with --chat: what the LLM is told first"},
	    {"query", 0, OPTION_STRING, &s.query, "TEXT",
	     "ask this (default: what the adapter was trained with)"},
	    {"split", 0, OPTION_CHOICE, &s.split, "test|val|train|all",
	     "which event is asked for (default test); all: what comes after the last one"},
	    {"at", 0, OPTION_INTEGER, &s.at, "SECONDS",
	     "with --split all: ask for this time, of an encoder that reads the time of the question", 0,
	     1e15},
	    {"keep-seen", 0, OPTION_FLAG, &s.keep_seen, NULL, "also rank items that the user has had"},
	    {"limit", 0, OPTION_INTEGER, &s.limit, "N", "answer for the first N users only", 1, 1e12},
	    {"catalogue", 0, OPTION_STRING, &s.catalogue, "DATA",
	     "with an LLM: rank the items of this dataset instead, or what else they could be answers to",
	     .input = true},
	    {"beam", 0, OPTION_INTEGER, &s.beam, "N",
	     "with --llm: read at most N beginnings of names of each number of tokens (default 64)", 1, 1e6},
	    {"rank-exact", 0, OPTION_FLAG, &s.exact, NULL,
	     "score every item by the LLM, not only what the search finds"},
	    {"n-predict", 0, OPTION_INTEGER, &s.text.most, "N",
	     "tokens to add to the prompt at most (default 64)", 1, 1e6},
	    {"temperature", 0, OPTION_REAL, &s.text.temperature, "X",
	     "of sampling (default 0: the likeliest token)", 0, 100},
	    {"top-k", 0, OPTION_INTEGER, &s.text.top_k, "N",
	     "sample from the N likeliest tokens (default 0: all)", 0, 1e6},
	    {"top-p", 0, OPTION_REAL, &s.text.top_p, "X",
	     "sample from the likeliest that have X together (default 1)", 0, 1},
	    {"min-p", 0, OPTION_REAL, &s.text.min_p, "X",
	     "sample from those at least X times as likely as the likeliest (default 0: all)", 0, 1},
	    {"repeat-penalty", 0, OPTION_REAL, &s.text.penalty, "X",
	     "divide the logits of tokens that were said by X (default 1: do not)", 0.01, 100},
	    {"beams", 0, OPTION_INTEGER, &s.text.beams, "N",
	     "search the likeliest text with N beams, instead of sampling (default 1: do not)", 1, 1000},
	    {"stop", 0, OPTION_LIST, &s.text.stops, "TEXT", "end a text before this (may be given again)"},
	    {"batch", 0, OPTION_INTEGER, &s.text.batch, "N", "continue N texts at a time (default 32)", 1,
	     4096, .incidental = true},
	    {"tokenize", 0, OPTION_FLAG, &s.tokenize, NULL,
	     "print the LLM's token ids of each line of the operands, as a JSON list a line"},
	    {"logits", 0, OPTION_FLAG, &s.logits, NULL, "write the logits after each of --ids, as .npy"},
	    {"ids", 0, OPTION_STRING, &s.ids, "FILE",
	     "with --logits: token ids, a JSON list (-: standard input)", .input = true},
	    {"perplexity", 0, OPTION_FLAG, &s.perplexity, NULL,
	     "write what each text of the operands is worth to the LLM: lines, or of *.json and *.jsonl JSON "
	     "strings"},
	    {"precision", 0, OPTION_CHOICE, &s.precision, "f32|bf16|auto",
	     "with --llm: weights that take less room than F32 are expanded, or used as they are, which is "
	     "quick; with bf16 F32 is rounded, too (default auto, of --logits and --perplexity f32)"},
	    {"format", 0, OPTION_CHOICE, &s.text.format, "jsonl|text",
	     "JSON lines (default), or with --rank a paragraph a user, with --prompt plain text (default on "
	     "a "
	     "terminal, as it is said)"},
	    {"history", 0, OPTION_INTEGER, &s.history, "N",
	     "with --format text: show the last N events (default 5)", 0, 1e6},
	    {"output", 'o', OPTION_STRING, &s.output, "FILE", "write to FILE, not standard output",
	     .incidental = true, .written = true},
	    profiling_option(&s.profiling),
	};
	Error e = {0};
	StringList operands = {0};
	size_t count = sizeof table / sizeof *table;
	tool_start(&tool, table, count, &s.common, &operands, argc, argv);
	gemm_start();
	s.text.seed = (uint64_t)s.common.seed;
	s.names_users =
	    operands.count > 0 || option_given(table, count, "split") || option_given(table, count, "limit");
	bool done =
	    check(&s, &e) && check_given(&s, table, count, &operands, &e) &&
	    (probes(&s) ? probe(&s, &operands, &e) : generate(&s, tool_operand(&tool, &operands), &e));
	string_list_free(&operands);
	string_list_free(&s.text.stops);
	return tool_finish(&tool, done, &e);
}
