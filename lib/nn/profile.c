#include "nn/profile.h"

#include "base/clock.h"

#include <stdbool.h>
#include <string.h>

const char *phase_name(Phase phase)
{
	static const char *const names[PHASES] = {
	    [PHASE_NONE] = "none",
	    [PHASE_ENCODER] = "encoder",
	    [PHASE_ADAPTER] = "adapter",
	    [PHASE_PROMPT] = "prompt",
	    [PHASE_ANSWER] = "answer",
	    [PHASE_RANK] = "rank",
	    [PHASE_EVALUATION] = "evaluation",
	    [PHASE_LLM] = "llm",
	    [PHASE_BACKWARD] = "backward",
	    [PHASE_OPTIMIZER] = "optimizer",
	};
	return names[phase];
}

void profile_enter(Profile *p, Phase phase, size_t tokens)
{
	if (p == NULL)
		return;
	double time = clock_seconds();
	if (p->since > 0)
		p->phases[p->phase].seconds += time - p->since;
	p->since = time;
	p->phase = phase;
	p->phases[phase].tokens += tokens;
}

void profile_product_of(Profile *p, Phase phase, size_t m, size_t n, size_t k)
{
	if (p != NULL)
		p->phases[phase].flops += 2 * (uint64_t)m * n * k;
}

void profile_product(Profile *p, size_t m, size_t n, size_t k)
{
	if (p != NULL)
		profile_product_of(p, p->phase, m, n, k);
}

void profile_cache(Profile *p, size_t bytes)
{
	if (p != NULL && p->phases[p->phase].cache < bytes)
		p->phases[p->phase].cache = bytes;
}

/* `share`: of its seconds that passed by the clock. */
static void add(Profile *whole, const Profile *part, double share)
{
	for (Phase phase = 0; phase < PHASES; phase++) {
		const PhaseCost *from = &part->phases[phase];
		bool own = whole->phase == PHASE_NONE;
		PhaseCost *to = &whole->phases[own ? phase : whole->phase];
		to->flops += from->flops;
		to->tokens += own || phase == PHASE_LLM ? from->tokens : 0;
		to->cache = to->cache > from->cache ? to->cache : from->cache;
		to->seconds += own ? share * from->seconds : 0; /* the whole's own phase goes on */
	}
}

void profile_gather(Profile *whole, Profile *parts, size_t count)
{
	double seconds = 0, time = clock_seconds();
	if (whole == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		for (Phase phase = 0; phase < PHASES; phase++)
			seconds += parts[i].phases[phase].seconds;
	for (size_t i = 0; i < count; i++) {
		add(whole, &parts[i], seconds > 0 ? (time - whole->since) / seconds : 0);
		memset(&parts[i], 0, sizeof parts[i]);
	}
	if (whole->phase == PHASE_NONE)
		whole->since = time;
}
