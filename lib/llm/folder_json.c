#include "llm/folder_json.h"

#include "base/file.h"
#include "base/path.h"

static json_t *read_object(const char *path, size_t flags, Error *e)
{
	json_error_t problem;
	json_t *root = NULL;
	Buffer text = {0};
	bool done = file_read(path, &text, e) &&
	            ((root = json_loadb((const char *)text.data, text.size, flags, &problem)) != NULL ||
	             fail(e, ERROR_MALFORMED, "line %d: %s", problem.line, problem.text)) &&
	            (json_is_object(root) || fail(e, ERROR_MALFORMED, "is no JSON object"));
	buffer_free(&text);
	if (done)
		return root;
	json_decref(root);
	fail_in(e, "%s", path);
	return NULL;
}

json_t *folder_json(const char *folder, const char *name, bool optional, size_t flags, Error *e)
{
	char *path = path_join(folder, name, e);
	json_t *root = path && !(optional && path_is_missing(path)) ? read_object(path, flags, e) : NULL;
	memory_free(path);
	return root;
}
