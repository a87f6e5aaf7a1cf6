/* What the tools that train share: options of the budget, checkpoints, signals, progress, the log. */
#ifndef CMD_TRAINING_H
#define CMD_TRAINING_H

#include "nn/trainer.h"
#include "tool.h"

typedef struct Training Training;

typedef struct {
	double epochs, minutes, lr, decay, average, checkpoint_every;
	int64_t steps, patience, evaluate_every;
	const char *log, *precision, *resume, *checkpoint;
	Training *training; /* what is under way: of training_open(), until training_finish() */
} TrainingOptions;

enum { TRAINING_OPTIONS = 13 };

/* Fills table[0 … TRAINING_OPTIONS); the defaults are what is in *o, and the help tells them. */
void training_options(Option *table, TrainingOptions *o);

/* Reads the checkpoint of --resume, if there is one: options that were not given are what they were there,
 * and the record of them goes on.  To be called before defaults are set that depend on other options.
 * ERROR_USAGE for an option that was another then, and for more than one budget.  Borrows all it is given. */
bool training_open(TrainingOptions *o, const Tool *tool, Option *table, size_t count,
                   const CommonOptions *common, Provenance *provenance, Error *e);

/* Whether output, log and checkpoint can be written, and are not the input. */
bool training_files(const TrainingOptions *o, const char *output, const char *input, Error *e);

/* Trains; a line an evaluation on standard error and in the log.  `unit`: what the rate counts.  True: the
 * weights are to be written (though training may have diverged after them, which training_finish() tells).
 * SIGHUP, SIGINT and SIGTERM write the checkpoint, which is an error with the words how to go on; where it
 * cannot be written, or nothing is left to do, they stop nothing.  They are caught until training_finish(),
 * which sends them on; messages meanwhile may have no reader (SIGPIPE). */
bool training_run(const TrainingOptions *o, const Trainee *trainee, const char *unit, Error *e);

/* tool_finish() of a tool that trains; does not come back where a signal has come since training began. */
int training_finish(TrainingOptions *o, const Tool *tool, bool done, Error *e);

#endif
