#include "llm/tokenizer_json_internal.h"

#include "text/expression.h"
#include "text/utf8.h"

#include <string.h>

typedef bool ReadStep(TokenizerJson *r, const json_t *step, Error *e);

/* The steps of a Sequence. */
static bool read_each(TokenizerJson *r, const json_t *steps, ReadStep *read, Error *e)
{
	size_t index;
	json_t *step;
	json_array_foreach(steps, index, step)
	{
		if (!read(r, step, e))
			return false;
	}
	return true;
}

/* --- normalizers -------------------------------------------------------------------------- */

/* A pattern as PCRE2's expression, terminated, in r->scratch. */
static bool read_pattern(TokenizerJson *r, const json_t *pattern, Error *e)
{
	r->scratch.size = 0;
	if (json_is_string(json_object_get(pattern, "Regex")))
		return expression_translate(text_in_json(pattern, "Regex"), &r->scratch, e);
	if (text_in_json(pattern, "String").size > 0)
		return expression_quote(text_in_json(pattern, "String"), &r->scratch, e);
	return fail(e, ERROR_MALFORMED, "a pattern is neither Regex nor String");
}

static bool read_replace(TokenizerJson *r, const json_t *n, NormalizeSteps *steps, Error *e)
{
	const json_t *pattern = json_object_get(n, "pattern");
	Text content = text_in_json(n, "content"), string = text_in_json(pattern, "String");
	if (string.size > 0)
		return normalize_steps_add(steps, NORMALIZE_REPLACE, string, content, e);
	return read_pattern(r, pattern, e) &&
	       normalize_steps_add(steps, NORMALIZE_REPLACE_MATCH,
	                           (Text){(char *)r->scratch.data, r->scratch.size}, content, e);
}

static bool read_base64(Text text, Buffer *out, Error *e)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned count = 0;
	out->size = 0;
	while (text.size > 0 && text.data[text.size - 1] == '=')
		text.size--;
	for (size_t i = 0; i < text.size; i++) {
		const char *digit = memchr(digits, text.data[i], sizeof digits - 1);
		if (digit == NULL)
			return fail(e, ERROR_MALFORMED, "precompiled_charsmap is no base64");
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		uint8_t byte = (uint8_t)(bits >> count);
		if (!buffer_append(out, &byte, 1, e))
			return false;
	}
	return true;
}

static bool read_strip(const json_t *n, NormalizeSteps *steps, Error *e)
{
	const Text none = {"", 0};
	return (!flag_in_json(n, "strip_left", true) ||
	        normalize_steps_add(steps, NORMALIZE_STRIP_LEFT, none, none, e)) &&
	       (!flag_in_json(n, "strip_right", true) ||
	        normalize_steps_add(steps, NORMALIZE_STRIP_RIGHT, none, none, e));
}

static bool read_normalizer(TokenizerJson *r, const json_t *n, Error *e)
{
	static const char forms[] = "NFC|NFD|NFKC|NFKD|Lowercase"; /* as NormalizeKind numbers them */
	const Text none = {"", 0};
	NormalizeSteps *steps = &r->m->normalizer;
	Text type = text_in_json(n, "type");
	if (n == NULL || json_is_null(n))
		return true;
	for (size_t i = 0; word_at(forms, i).size > 0; i++)
		if (text_equal(type, word_at(forms, i)))
			return normalize_steps_add(steps, (NormalizeKind)i, none, none, e);
	if (text_is(type, "Strip"))
		return read_strip(n, steps, e);
	if (text_is(type, "Replace"))
		return read_replace(r, n, steps, e);
	if (text_is(type, "Prepend"))
		return normalize_steps_add(steps, NORMALIZE_PREPEND, none, text_in_json(n, "prepend"), e);
	if (text_is(type, "Precompiled"))
		return read_base64(text_in_json(n, "precompiled_charsmap"), &r->scratch, e) &&
		       normalize_steps_add(steps, NORMALIZE_CHARSMAP,
		                           (Text){(char *)r->scratch.data, r->scratch.size}, none, e);
	if (!text_is(type, "Sequence"))
		return tokenizer_json_refuse("normalizer", type, e);
	return read_each(r, json_object_get(n, "normalizers"), read_normalizer, e);
}

/* --- pre-tokenizers ------------------------------------------------------------------------ */

static bool read_byte_level(TokenizerJson *r, const json_t *p, Error *e)
{
	const Text none = {"", 0};
	TokenizerModel *m = r->m;
	r->byte_level = true;
	if (flag_in_json(p, "add_prefix_space", true)) {
		if (m->cuts.count > 0)
			return tokenizer_json_refuse("ByteLevel's add_prefix_space behind", text_of("a cut"),
			                             e);
		if (!normalize_steps_add(&m->rewriter, NORMALIZE_PREPEND_UNLESS, none, text_of(" "), e))
			return false;
	}
	return !flag_in_json(p, "use_regex", true) ||
	       cut_steps_add(&m->cuts, CUT_ISOLATED, pretokenizer_gpt_2, e);
}

static bool read_split(TokenizerJson *r, const json_t *p, Error *e)
{
	Text behavior = text_in_json(p, "behavior");
	bool invert = flag_in_json(p, "invert", false), isolated = text_is(behavior, "Isolated");
	Cut cut = isolated                                  ? CUT_ISOLATED
	          : text_is(behavior, "MergedWithPrevious") ? CUT_PREVIOUS
	          : text_is(behavior, "MergedWithNext")     ? CUT_NEXT
	          : invert                                  ? CUT_KEPT
	                                                    : CUT_REMOVED;
	if ((cut == CUT_KEPT || cut == CUT_REMOVED) && !text_is(behavior, "Removed"))
		return tokenizer_json_refuse("Split with behavior", behavior, e);
	if (invert && (cut == CUT_PREVIOUS || cut == CUT_NEXT))
		return tokenizer_json_refuse("inverted Split with behavior", behavior, e);
	return read_pattern(r, json_object_get(p, "pattern"), e) &&
	       cut_steps_add(&r->m->cuts, cut, (char *)r->scratch.data, e);
}

static bool read_metaspace(TokenizerJson *r, const json_t *p, Error *e)
{
	TokenizerModel *m = r->m;
	const Text visible = text_of(VISIBLE_SPACE);
	Text scheme = text_in_json(p, "prepend_scheme"), replacement = text_in_json(p, "replacement");
	if (scheme.size == 0)
		scheme = text_of(flag_in_json(p, "add_prefix_space", true) ? "always" : "never");
	if (!text_is(scheme, "always") && !text_is(scheme, "never") && !text_is(scheme, "first"))
		return tokenizer_json_refuse("Metaspace with prepend_scheme", scheme, e);
	if (!text_equal(replacement, visible))
		return tokenizer_json_refuse("Metaspace with replacement", replacement, e);
	if (m->cuts.count > 0)
		return tokenizer_json_refuse("Metaspace behind", text_of("a cut"), e);
	m->prefix_once = text_is(scheme, "first");
	return normalize_steps_add(&m->rewriter, NORMALIZE_REPLACE, text_of(" "), visible, e) &&
	       (text_is(scheme, "never") ||
	        normalize_steps_add(&m->rewriter,
	                            m->prefix_once ? NORMALIZE_PREPEND_FIRST : NORMALIZE_PREPEND_UNLESS,
	                            text_of(""), visible, e)) &&
	       (!flag_in_json(p, "split", true) || cut_steps_add(&m->cuts, CUT_NEXT, VISIBLE_SPACE, e));
}

static bool read_pretokenizer(TokenizerJson *r, const json_t *p, Error *e)
{
	Text type = text_in_json(p, "type");
	if (p == NULL || json_is_null(p))
		return true;
	if (r->byte_level)
		return tokenizer_json_refuse("behind ByteLevel, the pre-tokenizer", type, e);
	if (text_is(type, "ByteLevel"))
		return read_byte_level(r, p, e);
	if (text_is(type, "Split"))
		return read_split(r, p, e);
	if (text_is(type, "Metaspace"))
		return read_metaspace(r, p, e);
	if (text_is(type, "Digits"))
		return cut_steps_add(&r->m->cuts, CUT_ISOLATED,
		                     flag_in_json(p, "individual_digits", false) ? "\\p{N}" : "\\p{N}+", e);
	if (!text_is(type, "Sequence"))
		return tokenizer_json_refuse("pre-tokenizer", type, e);
	return read_each(r, json_object_get(p, "pretokenizers"), read_pretokenizer, e);
}

/* --- what comes behind the model ------------------------------------------------------------ */

/* The special tokens that a text is put between. */
static bool read_template(TokenizerJson *r, const json_t *p, Error *e)
{
	TokenizerModel *m = r->m;
	bool behind = false;
	size_t index;
	json_t *part;
	json_array_foreach(json_object_get(p, "single"), index, part)
	{
		const json_t *special = json_object_get(part, "SpecialToken");
		bool *adds = behind ? &m->add_eos : &m->add_bos;
		behind = behind || special == NULL;
		if (special == NULL)
			continue;
		if (*adds)
			return tokenizer_json_refuse("TemplateProcessing with",
			                             text_of("two tokens side by side"), e);
		*adds = true;
		if (!tokenizer_json_token(m, behind ? "EOS" : "BOS", text_in_json(special, "id"),
		                          behind ? &m->eos : &m->bos, e))
			return false;
	}
	return true;
}

static bool read_post_processor(TokenizerJson *r, const json_t *p, Error *e)
{
	Text type = text_in_json(p, "type");
	if (p == NULL || json_is_null(p) || text_is(type, "ByteLevel"))
		return true;
	if (text_is(type, "TemplateProcessing"))
		return read_template(r, p, e);
	if (!text_is(type, "Sequence"))
		return tokenizer_json_refuse("post-processor", type, e);
	return read_each(r, json_object_get(p, "processors"), read_post_processor, e);
}

static bool read_decoder(TokenizerJson *r, const json_t *d, Error *e)
{
	Text type = text_in_json(d, "type"), scheme = text_in_json(d, "prepend_scheme");
	if (d == NULL || json_is_null(d) || text_is(type, "Fuse") || text_is(type, "ByteFallback"))
		return true;
	if (text_is(type, "ByteLevel") && r->byte_level)
		return true;
	if (text_is(type, "Replace") &&
	    text_is(text_in_json(json_object_get(d, "pattern"), "String"), VISIBLE_SPACE) &&
	    text_is(text_in_json(d, "content"), " "))
		return true;
	if (text_is(type, "Metaspace")) {
		r->m->add_space_prefix =
		    scheme.size > 0 ? !text_is(scheme, "never") : flag_in_json(d, "add_prefix_space", true);
		return true;
	}
	if (text_is(type, "Strip") && text_is(text_in_json(d, "content"), " ") &&
	    json_integer_value(json_object_get(d, "start")) == 1 &&
	    json_integer_value(json_object_get(d, "stop")) == 0) {
		r->m->add_space_prefix = true;
		return true;
	}
	if (!text_is(type, "Sequence"))
		return tokenizer_json_refuse("decoder", type, e);
	return read_each(r, json_object_get(d, "decoders"), read_decoder, e);
}

bool tokenizer_json_before(TokenizerJson *r, Error *e)
{
	return read_normalizer(r, json_object_get(r->root, "normalizer"), e) &&
	       read_pretokenizer(r, json_object_get(r->root, "pre_tokenizer"), e);
}

bool tokenizer_json_behind(TokenizerJson *r, Error *e)
{
	return read_post_processor(r, json_object_get(r->root, "post_processor"), e) &&
	       read_decoder(r, json_object_get(r->root, "decoder"), e);
}
