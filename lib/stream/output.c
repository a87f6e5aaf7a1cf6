#include "stream/output.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file behind a symbolic link is what gets replaced, not the link. */
static char *resolve(const char *path, Error *e)
{
	char *real = realpath(path, NULL);
	char *copy = memory_string(real ? real : path, e);
	free(real);
	return copy;
}

/* `replaced`: the file that is there already, whose permissions the new one has from the
 * start; or NULL. */
static bool open_temporary(Output *o, const struct stat *replaced, Error *e)
{
	size_t size = strlen(o->path) + 32;
	o->temporary = memory_new(size, 1, e);
	if (o->temporary == NULL)
		return false;
	int fd;
	mode_t mode = replaced ? replaced->st_mode & 0777 : 0666;
	unsigned attempt = 0;
	do {
		snprintf(o->temporary, size, "%s.tmp%ld.%u", o->path, (long)getpid(), attempt);
		fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EEXIST && attempt++ < 1000);
	bool done = fd >= 0 && (replaced == NULL || fchmod(fd, mode) == 0); /* the umask is not asked again */
	if (done && (o->file = fdopen(fd, "wb")) != NULL)
		return true;
	fail_errno(e, "cannot write '%s'", o->path);
	if (fd >= 0) {
		unlink(o->temporary);
		close(fd);
	}
	memory_free(o->temporary);
	o->temporary = NULL;
	return false;
}

bool output_open(Output *o, const char *path, bool binary, Error *e)
{
	*o = (Output){0};
	if (path == NULL || strcmp(path, "-") == 0) {
		if (binary && isatty(STDOUT_FILENO))
			return fail(e, ERROR_USAGE,
			            "binary output does not go to a terminal: use -o FILE or a pipe");
		o->file = stdout;
		return true;
	}
	o->path = resolve(path, e);
	if (o->path == NULL)
		return false;
	struct stat status;
	bool exists = stat(o->path, &status) == 0;
	bool done;
	if (exists && !S_ISREG(status.st_mode)) /* a device or a pipe is written to, not replaced */
		done = (o->file = fopen(o->path, "wbe")) != NULL || fail_errno(e, "cannot write '%s'", path);
	else
		done = open_temporary(o, exists ? &status : NULL, e);
	if (!done)
		output_abort(o);
	return done;
}

bool output_differs(const char *path, const char *input, Error *e)
{
	struct stat out, in;
	bool standard = input == NULL || strcmp(input, "-") == 0;
	if (path == NULL || strcmp(path, "-") == 0 || stat(path, &out) != 0 || !S_ISREG(out.st_mode) ||
	    (standard ? fstat(STDIN_FILENO, &in) : stat(input, &in)) != 0)
		return true;
	return out.st_dev != in.st_dev || out.st_ino != in.st_ino ||
	       fail(e, ERROR_USAGE, "the output '%s' is an input, too: it would be lost", path);
}

bool output_check(const char *path, bool binary, Error *e)
{
	Output o;
	struct stat status;
	if (path != NULL && stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return true; /* opening a pipe means something to its reader */
	if (!output_open(&o, path, binary, e))
		return false;
	output_abort(&o);
	return true;
}

bool output_write(Output *o, const void *data, size_t size, Error *e)
{
	if (size == 0 || fwrite(data, 1, size, o->file) == size)
		return true;
	return fail_errno(e, "cannot write %s", o->path ? o->path : "standard output");
}

bool output_close(Output *o, Error *e)
{
	const char *name = o->path ? o->path : "standard output";
	/* On the disk before it has its name, or a crash could leave the name with half the bytes. */
	bool done =
	    fflush(o->file) == 0 && !ferror(o->file) && (o->temporary == NULL || fsync(fileno(o->file)) == 0);
	if (!done)
		fail_errno(e, "cannot write %s", name);
	if (o->path != NULL) {
		if (fclose(o->file) != 0 && done)
			done = fail_errno(e, "cannot write %s", name);
		o->file = NULL;
	}
	if (done && o->temporary != NULL) {
		if (rename(o->temporary, o->path) != 0)
			done = fail_errno(e, "cannot rename '%s' to '%s'", o->temporary, o->path);
		else
			o->temporary[0] = '\0';
	}
	output_abort(o);
	return done;
}

void output_abort(Output *o)
{
	if (o->path != NULL && o->file != NULL)
		fclose(o->file);
	if (o->temporary != NULL && o->temporary[0] != '\0')
		unlink(o->temporary);
	memory_free(o->temporary);
	memory_free(o->path);
	*o = (Output){0};
}
