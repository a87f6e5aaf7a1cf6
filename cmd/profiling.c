#include "profiling.h"

#include "base/clock.h"
#include "stream/output.h"

#include <string.h>
#include <sys/resource.h>

Option profiling_option(Profiling *p)
{
	return (Option){"profile",
	                0,
	                OPTION_STRING,
	                &p->path,
	                "FILE",
	                "write to FILE, as JSON, what it cost: tokens, FLOPs, memory and time by phase",
	                .incidental = true,
	                .written = true};
}

bool profiling_start(Profiling *p, const char *input, Error *e)
{
	p->started = clock_seconds();
	if (p->path == NULL)
		return true;
	if (strcmp(p->path, "-") == 0)
		return fail(e, ERROR_USAGE, "--profile takes a file, not '-'");
	return output_differs(p->path, input, e) && output_check(p->path, false, e);
}

Profile *profiling_profile(Profiling *p)
{
	return p->path ? &p->profile : NULL;
}

/* Bytes that were in memory at a time, at most. */
static unsigned long long peak_memory(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? 1024 * (unsigned long long)usage.ru_maxrss : 0;
}

static void write_phase(FILE *f, const char *name, const PhaseCost *c, bool last)
{
	fprintf(f,
	        "    \"%s\": {\"tokens\": %llu, \"flops\": %llu, \"kv_bytes\": %zu, \"seconds\": %.6f}%s\n",
	        name, (unsigned long long)c->tokens, (unsigned long long)c->flops, c->cache, c->seconds,
	        last ? "" : ",");
}

bool profiling_write(const Profiling *p, const char *tool, const Phase *phases, size_t count, Error *e)
{
	Output o;
	if (p->path == NULL)
		return true;
	if (!output_open(&o, p->path, false, e))
		return false;
	fprintf(o.file,
	        "{\n  \"tool\": \"%s\",\n  \"seconds\": %.6f,\n  \"peak_bytes\": %llu,\n  \"phases\": {\n",
	        tool, clock_seconds() - p->started, peak_memory());
	for (size_t i = 0; i < count; i++)
		write_phase(o.file, phase_name(phases[i]), &p->profile.phases[phases[i]], i + 1 == count);
	fputs("  }\n}\n", o.file);
	return output_close(&o, e);
}
