#include "base/path.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

char *path_join(const char *folder, const char *name, Error *e)
{
	size_t before = strlen(folder), behind = strlen(name);
	char *path = memory_new(before + behind + 2, 1, e);
	if (path == NULL)
		return NULL;
	memcpy(path, folder, before);
	path[before] = '/';
	memcpy(path + before + 1, name, behind);
	return path;
}

bool path_is_directory(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool path_is_missing(const char *path)
{
	struct stat status;
	return lstat(path, &status) != 0 && errno == ENOENT;
}
