#include "llm/architecture.h"

#include "base/strings.h"

#include <stdio.h>
#include <string.h>

static const LlmArchitecture architectures[] = {
    {.name = "llama", .hugging = "llama|mistral"},
    {.name = "qwen2", .hugging = "qwen2", .halves = true},
    {.name = "qwen3", .hugging = "qwen3", .halves = true},
    {.name = "gemma", .hugging = "gemma", .gelu = true, .halves = true, .scaled = true},
    {.name = "gemma2",
     .hugging = "gemma2",
     .gelu = true,
     .halves = true,
     .scaled = true,
     .window_period = 2,
     .attention_cap = 50,
     .logit_cap = 30,
     .window = 4096,
     .whole_heads_layers = 46},
    {.name = "gemma3",
     .hugging = "gemma3_text",
     .gelu = true,
     .halves = true,
     .scaled = true,
     .window_period = 6,
     .window_rope_base = 10000,
     .config_rope_base = 1e6,
     .whole_heads_layers = 62},
    {.name = "gpt2", .hugging = "gpt2", .centred = true, .plain = true, .learned = true, .fused = true},
    {.name = "gptneox",
     .hugging = "gpt_neox",
     .centred = true,
     .plain = true,
     .halves = true,
     .parallel = true,
     .fused = true,
     .untied = true,
     .config_rotary_share = 0.25},
};

enum { COUNT = sizeof architectures / sizeof *architectures };

const LlmArchitecture *llm_architecture(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(architectures[i].name, name) == 0)
			return &architectures[i];
	return NULL;
}

const LlmArchitecture *llm_architecture_hugging(const char *type)
{
	for (size_t i = 0; i < COUNT; i++)
		if (architectures[i].hugging != NULL &&
		    word_number(architectures[i].hugging, type) != SIZE_MAX)
			return &architectures[i];
	return NULL;
}

void llm_architectures(char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < COUNT && used < size; i++)
		used +=
		    (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", architectures[i].name);
}
