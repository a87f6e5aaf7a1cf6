/* --profile: what a run costs, as a JSON object in a file. */
#ifndef CMD_PROFILING_H
#define CMD_PROFILING_H

#include "base/options.h"
#include "nn/profile.h"

typedef struct {
	const char *path; /* NULL: nobody wants to know */
	double started;
	Profile profile;
} Profiling;

/* The option. */
Option profiling_option(Profiling *p);
/* The clock starts.  ERROR_USAGE where the path is no file that could be written, or is the input. */
bool profiling_start(Profiling *p, const char *input, Error *e);
/* What is to be counted in; NULL: nothing is. */
Profile *profiling_profile(Profiling *p);
/* Writes what was counted in these phases. */
bool profiling_write(const Profiling *p, const char *tool, const Phase *phases, size_t count, Error *e);

#endif
