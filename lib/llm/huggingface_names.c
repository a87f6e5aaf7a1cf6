#include "llm/huggingface_names.h"

#include "base/strings.h"

#include <stdio.h>
#include <string.h>

#define LLAMA_OUTSIDE                                                                                        \
	{                                                                                                    \
		{"embed_tokens.weight", "token_embd.weight"}, {"norm.weight", "output_norm.weight"},         \
		    {"lm_head.weight", "output.weight"},                                                     \
	}
#define LLAMA_ATTENTION(q, k)                                                                                \
	{"self_attn.q_proj.weight", "attn_q.weight", q}, {"self_attn.q_proj.bias", "attn_q.bias", q},        \
	    {"self_attn.k_proj.weight", "attn_k.weight", k}, {"self_attn.k_proj.bias", "attn_k.bias", k},    \
	    {"self_attn.v_proj.weight", "attn_v.weight"}, {"self_attn.v_proj.bias", "attn_v.bias"},          \
	    {"self_attn.o_proj.weight", "attn_output.weight"},                                               \
	    {"self_attn.o_proj.bias", "attn_output.bias"},                                                   \
	{                                                                                                    \
		"self_attn.rotary_emb.inv_freq", NULL, LEFT_OUT                                              \
	}
#define LLAMA_FEED                                                                                           \
	{"mlp.gate_proj.weight", "ffn_gate.weight"}, {"mlp.gate_proj.bias", "ffn_gate.bias"},                \
	    {"mlp.up_proj.weight", "ffn_up.weight"}, {"mlp.up_proj.bias", "ffn_up.bias"},                    \
	    {"mlp.down_proj.weight", "ffn_down.weight"},                                                     \
	{                                                                                                    \
		"mlp.down_proj.bias", "ffn_down.bias"                                                        \
	}

static const HuggingFamily families[] = {
    {"llama",
     "model.",
     "layers.",
     "silu",
     LLAMA_OUTSIDE,
     {LLAMA_ATTENTION(TURNED_Q, TURNED_K),
      LLAMA_FEED,
      {"input_layernorm.weight", "attn_norm.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"}}},
    {"qwen2|qwen3",
     "model.",
     "layers.",
     "silu",
     LLAMA_OUTSIDE,
     {LLAMA_ATTENTION(SAME, SAME),
      LLAMA_FEED,
      {"input_layernorm.weight", "attn_norm.weight"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"self_attn.q_norm.weight", "attn_q_norm.weight"},
      {"self_attn.k_norm.weight", "attn_k_norm.weight"}}},
    {"gemma",
     "model.",
     "layers.",
     "gelu_pytorch_tanh|gelu",
     {{"embed_tokens.weight", "token_embd.weight"},
      {"norm.weight", "output_norm.weight", PLUS_ONE},
      {"lm_head.weight", "output.weight"}},
     {LLAMA_ATTENTION(SAME, SAME),
      LLAMA_FEED,
      {"input_layernorm.weight", "attn_norm.weight", PLUS_ONE},
      {"post_attention_layernorm.weight", "ffn_norm.weight", PLUS_ONE}}},
    {"gemma2|gemma3",
     "model.",
     "layers.",
     "gelu_pytorch_tanh",
     {{"embed_tokens.weight", "token_embd.weight"},
      {"norm.weight", "output_norm.weight", PLUS_ONE},
      {"lm_head.weight", "output.weight"}},
     {LLAMA_ATTENTION(SAME, SAME),
      {"mlp.gate_proj.weight", "ffn_gate.weight"},
      {"mlp.up_proj.weight", "ffn_up.weight"},
      {"mlp.down_proj.weight", "ffn_down.weight"},
      {"input_layernorm.weight", "attn_norm.weight", PLUS_ONE},
      {"post_attention_layernorm.weight", "post_attention_norm.weight", PLUS_ONE},
      {"pre_feedforward_layernorm.weight", "ffn_norm.weight", PLUS_ONE},
      {"post_feedforward_layernorm.weight", "post_ffw_norm.weight", PLUS_ONE},
      {"self_attn.q_norm.weight", "attn_q_norm.weight", PLUS_ONE},
      {"self_attn.k_norm.weight", "attn_k_norm.weight", PLUS_ONE}}},
    {"gpt2",
     "transformer.",
     "h.",
     "gelu_new|gelu_pytorch_tanh",
     {{"wte.weight", "token_embd.weight"},
      {"wpe.weight", "position_embd.weight"},
      {"ln_f.weight", "output_norm.weight"},
      {"ln_f.bias", "output_norm.bias"},
      {"lm_head.weight", "output.weight"}},
     {{"ln_1.weight", "attn_norm.weight"},
      {"ln_1.bias", "attn_norm.bias"},
      {"attn.c_attn.weight", "attn_qkv.weight", TRANSPOSED},
      {"attn.c_attn.bias", "attn_qkv.bias"},
      {"attn.c_proj.weight", "attn_output.weight", TRANSPOSED},
      {"attn.c_proj.bias", "attn_output.bias"},
      {"ln_2.weight", "ffn_norm.weight"},
      {"ln_2.bias", "ffn_norm.bias"},
      {"mlp.c_fc.weight", "ffn_up.weight", TRANSPOSED},
      {"mlp.c_fc.bias", "ffn_up.bias"},
      {"mlp.c_proj.weight", "ffn_down.weight", TRANSPOSED},
      {"mlp.c_proj.bias", "ffn_down.bias"},
      {"attn.bias", NULL, LEFT_OUT},
      {"attn.masked_bias", NULL, LEFT_OUT}}},
    {"gptneox",
     "gpt_neox.",
     "layers.",
     "gelu|gelu_new|gelu_fast",
     {{"embed_in.weight", "token_embd.weight"},
      {"final_layer_norm.weight", "output_norm.weight"},
      {"final_layer_norm.bias", "output_norm.bias"},
      {"embed_out.weight", "output.weight"}},
     {{"input_layernorm.weight", "attn_norm.weight"},
      {"input_layernorm.bias", "attn_norm.bias"},
      {"attention.query_key_value.weight", "attn_qkv.weight", UNWOVEN},
      {"attention.query_key_value.bias", "attn_qkv.bias", UNWOVEN},
      {"attention.dense.weight", "attn_output.weight"},
      {"attention.dense.bias", "attn_output.bias"},
      {"post_attention_layernorm.weight", "ffn_norm.weight"},
      {"post_attention_layernorm.bias", "ffn_norm.bias"},
      {"mlp.dense_h_to_4h.weight", "ffn_up.weight"},
      {"mlp.dense_h_to_4h.bias", "ffn_up.bias"},
      {"mlp.dense_4h_to_h.weight", "ffn_down.weight"},
      {"mlp.dense_4h_to_h.bias", "ffn_down.bias"},
      {"attention.rotary_emb.inv_freq", NULL, LEFT_OUT},
      {"attention.bias", NULL, LEFT_OUT},
      {"attention.masked_bias", NULL, LEFT_OUT}}},
};

const HuggingFamily *hugging_family(const char *architecture)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (word_number(families[i].architectures, architecture) != SIZE_MAX)
			return &families[i];
	return NULL;
}

static const TensorRule *find_rule(const TensorRule *rules, size_t count, const char *name)
{
	for (size_t i = 0; i < count && rules[i].theirs != NULL; i++)
		if (strcmp(rules[i].theirs, name) == 0)
			return &rules[i];
	return NULL;
}

const TensorRule *hugging_rule(const HuggingFamily *family, const char *name, char *ours, size_t size)
{
	size_t prefix = strlen(family->prefix), block = strlen(family->block);
	unsigned layer;
	int used = 0;
	name += strncmp(name, family->prefix, prefix) == 0 ? prefix : 0;
	const TensorRule *rule =
	    find_rule(family->outside, sizeof family->outside / sizeof *family->outside, name);
	if (rule != NULL) {
		snprintf(ours, size, "%s", rule->ours ? rule->ours : "");
		return rule;
	}
	if (strncmp(name, family->block, block) != 0 || sscanf(name + block, "%u.%n", &layer, &used) != 1 ||
	    used == 0)
		return NULL;
	rule = find_rule(family->inside, MOST_RULES, name + block + used);
	if (rule != NULL)
		snprintf(ours, size, "blk.%u.%s", layer, rule->ours ? rule->ours : "");
	return rule;
}
