#include "stream/output.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_MORE = 48 }; /* characters of a temporary name behind the path's */

/* The file behind a symbolic link is what gets replaced, not the link. */
static char *resolve(const char *path, Error *e)
{
	char *real = realpath(path, NULL);
	char *copy = memory_string(real ? real : path, e);
	free(real);
	return copy;
}

/* A name beside the path for the file fd; with fd < 0 for a new one, which is opened.  Returns what is open,
 * or -1 with errno. */
static int name_temporary(Output *o, int fd, mode_t mode)
{
	char own[48];
	size_t size = strlen(o->path) + TEMPORARY_MORE;
	snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
	for (unsigned attempt = 0; attempt < 1000; attempt++) {
		snprintf(o->temporary, size, "%s.tmp%ld.%u", o->path, (long)getpid(), attempt);
		int got = fd < 0 ? open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
		          : linkat(AT_FDCWD, own, AT_FDCWD, o->temporary, AT_SYMLINK_FOLLOW) == 0 ? fd
		                                                                                  : -1;
		if (got >= 0)
			return got;
		if (errno != EEXIST)
			break;
	}
	o->temporary[0] = '\0';
	return -1;
}

/* A file without a name, of which nothing stays behind however the program ends; or -1 where there is no such
 * thing. */
static int open_nameless(Output *o, mode_t mode)
{
	int fd = -1;
#ifdef O_TMPFILE
	const char *slash = strrchr(o->path, '/');
	snprintf(o->temporary, strlen(o->path) + TEMPORARY_MORE, "%.*s",
	         slash ? (int)(slash + 1 - o->path) : 1, slash ? o->path : ".");
	fd = open(o->temporary, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	o->temporary[0] = '\0';
#else
	(void)mode;
#endif
	return fd;
}

/* Whether such a file can be given a name later: tried with one that is not needed, for a file whose name was
 * taken from it gets no other. */
static bool can_be_named(Output *o)
{
	int fd = open_nameless(o, 0600);
	if (fd < 0)
		return false;
	bool done = name_temporary(o, fd, 0) >= 0 && unlink(o->temporary) == 0;
	o->temporary[0] = '\0';
	close(fd);
	return done;
}

/* `replaced`: the file that is there already, whose permissions the new one has from the
 * start; or NULL. */
static bool open_temporary(Output *o, const struct stat *replaced, Error *e)
{
	o->temporary = memory_new(strlen(o->path) + TEMPORARY_MORE, 1, e);
	if (o->temporary == NULL)
		return false;
	mode_t mode = replaced ? replaced->st_mode & 0777 : 0666;
	int fd = can_be_named(o) ? open_nameless(o, mode) : -1;
	if (fd < 0)
		fd = name_temporary(o, -1, mode);
	bool done = fd >= 0 && (replaced == NULL || fchmod(fd, mode) == 0); /* the umask is not asked again */
	if (done && (o->file = fdopen(fd, "wb")) != NULL)
		return true;
	fail_errno(e, "cannot write '%s'", o->path);
	if (fd >= 0)
		close(fd);
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
	if (path[0] == '\0')
		return fail(e, ERROR_USAGE, "the output has an empty name");
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
	if (path != NULL && stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
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
	bool done = fflush(o->file) == 0 && !ferror(o->file) &&
	            (o->temporary == NULL ||
	             (fsync(fileno(o->file)) == 0 &&
	              (o->temporary[0] != '\0' || name_temporary(o, fileno(o->file), 0) >= 0)));
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
