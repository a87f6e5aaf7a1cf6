#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool read_all(FILE *file, Buffer *bytes, Error *e)
{
	enum { PIECE = 1 << 16 };
	struct stat status; /* of a regular file, so that room is made once */
	if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	    !buffer_reserve(bytes, (size_t)status.st_size + PIECE, e))
		return false;
	for (size_t got = 1; got > 0; bytes->size += got) {
		if (!buffer_reserve(bytes, PIECE, e))
			return false;
		got = fread(bytes->data + bytes->size, 1, PIECE, file);
	}
	return !ferror(file) || fail_errno(e, "cannot read");
}

bool file_read(const char *path, Buffer *bytes, Error *e)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *file = standard ? stdin : fopen(path, "rbe");
	if (file == NULL)
		return fail_errno(e, "cannot open");
	bool done = read_all(file, bytes, e);
	if (!standard)
		(void)fclose(file); /* was only read from: nothing can be lost */
	return done;
}
