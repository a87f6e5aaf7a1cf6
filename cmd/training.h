/* What the tools that train share: options of the budget, progress, the log. */
#ifndef CMD_TRAINING_H
#define CMD_TRAINING_H

#include "nn/trainer.h"
#include "tool.h"

typedef struct {
	double epochs, minutes, lr, decay;
	int64_t steps, patience, evaluate_every;
	const char *log, *precision;
} TrainingOptions;

enum { TRAINING_OPTIONS = 9 };

/* Fills table[0 … TRAINING_OPTIONS); the defaults are what is in *o, and the help tells them. */
void training_options(Option *table, TrainingOptions *o);

/* ERROR_USAGE for more than one of --epochs, --steps and --minutes. */
bool training_check(const Option *table, size_t count, Error *e);

/* Trains; a line an evaluation on standard error and in the log.  `unit`: what the rate counts. */
bool training_run(const Tool *tool, const TrainingOptions *o, const CommonOptions *common,
                  const Trainee *trainee, const char *unit, Error *e);

#endif
