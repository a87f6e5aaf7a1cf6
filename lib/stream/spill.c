#include "stream/spill.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool spill_open(Spill *s, Error *e)
{
	*s = (Spill){0};
	Buffer path = {0};
	const char *directory = getenv("TMPDIR");
	if (!buffer_print(&path, e, "%s/ul.XXXXXX", directory && *directory ? directory : "/tmp"))
		return false;
	int fd = mkstemp((char *)path.data);
	bool done = fd >= 0 && unlink((char *)path.data) == 0 && (s->file = fdopen(fd, "w+b")) != NULL;
	if (!done) {
		fail_errno(e, "cannot write a temporary file '%s' (TMPDIR says where)", (char *)path.data);
		if (fd >= 0)
			close(fd);
	}
	buffer_free(&path);
	return done;
}

bool spill_write(Spill *s, const void *data, size_t size, Error *e)
{
	s->size += size;
	return size == 0 || fwrite(data, 1, size, s->file) == size ||
	       fail_errno(e, "cannot write a temporary file (TMPDIR says where)");
}

bool spill_map(Spill *s, const void **data, Error *e)
{
	*data = "";
	if (fflush(s->file) != 0)
		return fail_errno(e, "cannot write a temporary file (TMPDIR says where)");
	if (s->size == 0)
		return true;
	void *map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fileno(s->file), 0);
	if (map == MAP_FAILED)
		return fail_errno(e, "cannot map a temporary file");
	*data = s->map = map;
	return true;
}

void spill_close(Spill *s)
{
	if (s->map != NULL)
		munmap(s->map, s->size);
	if (s->file != NULL)
		fclose(s->file);
	*s = (Spill){0};
}
