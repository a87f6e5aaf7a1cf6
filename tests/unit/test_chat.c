/* Conversations, as the makers of each family lay them out. */
#include "text/chat.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h> /* has a macro fail(): after the library's headers */

enum { ALL = 4 };
static const ChatMessage talk[ALL] = {{CHAT_SYSTEM, {"Be brief.", 9}},
                                      {CHAT_USER, {" Hello ", 7}},
                                      {CHAT_ASSISTANT, {"Hi there", 8}},
                                      {CHAT_USER, {"Who?", 4}}};

static const ChatFormat *format_of(const char *template)
{
	Error e = {0};
	const ChatFormat *f = chat_format_of(template, &e);
	if (f == NULL)
		fail_msg("%s", e.text);
	return f;
}

static void expect(const ChatFormat *f, const ChatMessage *messages, size_t count, bool answer,
                   const char *wanted)
{
	Error e = {0};
	Buffer out = {0};
	if (!chat_format(f, messages, count, answer, &out, &e))
		fail_msg("%s", e.text);
	assert_true(buffer_append(&out, "", 1, &e));
	assert_string_equal((char *)out.data, wanted);
	buffer_free(&out);
}

/* The whole talk with the answer opened, and the first question alone. */
static void check(const char *template, const char *name, const char *whole, const char *first)
{
	const ChatFormat *f = format_of(template);
	assert_string_equal(chat_name(f), name);
	expect(f, talk, ALL, true, whole);
	expect(f, talk + 1, 1, false, first);
}

#define IM(role, text) "<|im_start|>" role "\n" text "<|im_end|>\n"
#define IM_TALK                                                                                              \
	IM("system", "Be brief.")                                                                            \
	IM("user", " Hello ") IM("assistant", "Hi there") IM("user", "Who?") "<|im_start|>assistant\n"

static void test_chatml(void **state)
{
	(void)state;
	static const char *const defaults[][2] = {
	    {"Qwen 2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
	    {"SmolLM 2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
	    {"Qwen 2", "You are a helpful assistant."},
	};
	check("<|im_start|>' + message['role'] <|im_end|>", "ChatML", IM_TALK, IM("user", " Hello "));
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
		Error e = {0};
		Buffer template = {0}, wanted = {0};
		assert_true(
		    buffer_print(&template, &e, "'<|im_start|>system\\n%s<|im_end|>'", defaults[i][1]));
		assert_true(
		    buffer_print(&wanted, &e, IM("system", "%s") IM("user", " Hello "), defaults[i][1]));
		check((char *)template.data, defaults[i][0], IM_TALK, (char *)wanted.data);
		buffer_free(&template);
		buffer_free(&wanted);
	}
	assert_string_equal(chat_end(format_of("<|im_start|><|im_end|>")), "<|im_end|>");
}

/* What was thought is left out of old answers, and the last one has room for it. */
static void test_qwen3(void **state)
{
	(void)state;
	static const char thought[] = "<think>\nHm.\n</think>\n\nHi there";
	const ChatFormat *f = format_of("<|im_start|> </think> reasoning_content");
	ChatMessage old[ALL];
	memcpy(old, talk, sizeof talk);
	old[2].text = (Text){thought, sizeof thought - 1};
	expect(f, old, ALL, true, IM_TALK);
	expect(f, old, 3, false,
	       IM("system", "Be brief.") IM("user", " Hello ")
	           IM("assistant", "<think>\nHm.\n</think>\n\nHi there"));
	expect(f, talk + 1, 2, false,
	       IM("user", " Hello ") IM("assistant", "<think>\n\n</think>\n\nHi there"));
}

#define L3(role, text) "<|start_header_id|>" role "<|end_header_id|>\n\n" text "<|eot_id|>"
#define L3_TALK                                                                                              \
	L3("user", "Hello")                                                                                  \
	L3("assistant", "Hi there") L3("user", "Who?") "<|start_header_id|>assistant<|end_header_id|>\n\n"
#define DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

static void test_llama(void **state)
{
	(void)state;
	check("<|start_header_id|> <|eot_id|>", "Llama 3", L3("system", "Be brief.") L3_TALK,
	      L3("user", "Hello"));
	check("<|start_header_id|> <|eot_id|> Cutting Knowledge Date", "Llama 3.1",
	      L3("system", DATES "Be brief.") L3_TALK, L3("system", DATES) L3("user", "Hello"));
	check("bos_token + '[INST] ' + content.strip() + ' [/INST]' <<SYS>>", "Llama 2",
	      "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hello [/INST] Hi there </s><s>[INST] Who? [/INST]",
	      "[INST] Hello [/INST]");
}

static void test_mistral(void **state)
{
	(void)state;
	check("' [INST] ' + system_message ' [/INST]'", "Mistral v1",
	      " [INST] Be brief.\n\n Hello  [/INST] Hi there</s> [INST] Who? [/INST]",
	      " [INST]  Hello  [/INST]");
	check("'[INST] ' + message['content'] + ' [/INST]' message['content'] + eos_token + ' '",
	      "Mistral v0.1", "[INST] Be brief.\n\n Hello  [/INST]Hi there</s> [INST] Who? [/INST]",
	      "[INST]  Hello  [/INST]");
	check("'[INST] ' + message['content'] + ' [/INST]' message['content'] + eos_token", "Mistral v0.2",
	      "[INST] Be brief.\n\n Hello  [/INST]Hi there</s>[INST] Who? [/INST]", "[INST]  Hello  [/INST]");
}

static void test_others(void **state)
{
	(void)state;
	check("<start_of_turn> <end_of_turn>", "Gemma",
	      "<start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\nHi "
	      "there<end_of_turn>\n"
	      "<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\n",
	      "<start_of_turn>user\nHello<end_of_turn>\n");
	check("'<|user|>\n' + message['content'] + eos_token '<|assistant|>'", "Zephyr",
	      "<|system|>\nBe brief.</s>\n<|user|>\n Hello </s>\n<|assistant|>\nHi "
	      "there</s>\n<|user|>\nWho?</s>\n"
	      "<|assistant|>\n",
	      "<|user|>\n Hello </s>\n");
}

static void test_refuses(void **state)
{
	(void)state;
	Error e = {0};
	Buffer out = {0};
	assert_null(chat_format_of("{% if a[0] %}'<|start_of_role|>' + [SYSTEM_PROMPT] <x y>", &e));
	assert_int_equal(e.code, ERROR_MALFORMED);
	assert_non_null(strstr(e.text, "with <|start_of_role|> [SYSTEM_PROMPT] is not supported"));
	e = (Error){0};
	assert_null(chat_format_of("", &e));
	e = (Error){0};
	const ChatFormat *f = format_of("<start_of_turn> <end_of_turn>");
	assert_false(chat_format(f, talk + 2, 2, false, &out, &e)); /* the assistant first */
	assert_int_equal(e.code, ERROR_USAGE);
	e = (Error){0};
	assert_false(chat_format(f, talk, 1, false, &out, &e)); /* the system alone */
	e = (Error){0};
	const ChatMessage late[] = {talk[1], talk[0]};
	assert_false(chat_format(format_of("<|im_start|><|im_end|>"), late, 2, false, &out, &e));
	buffer_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chatml),  cmocka_unit_test(test_qwen3),  cmocka_unit_test(test_llama),
	    cmocka_unit_test(test_mistral), cmocka_unit_test(test_others), cmocka_unit_test(test_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
