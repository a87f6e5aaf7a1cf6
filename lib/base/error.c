#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 3, 0)))
set(Error *e, int code, const char *format, va_list arguments)
{
	e->code = code;
	if (vsnprintf(e->text, sizeof e->text, format, arguments) < 0)
		e->text[0] = '\0';
	for (char *p = e->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

bool fail(Error *e, int code, const char *format, ...)
{
	if (e->code == ERROR_NONE) {
		va_list arguments;
		va_start(arguments, format);
		set(e, code, format, arguments);
		va_end(arguments);
	}
	return false;
}

bool fail_errno(Error *e, const char *format, ...)
{
	int saved = errno;
	if (e->code == ERROR_NONE) {
		va_list arguments;
		va_start(arguments, format);
		set(e, ERROR_FAILURE, format, arguments);
		va_end(arguments);
		size_t used = strlen(e->text);
		snprintf(e->text + used, sizeof e->text - used, ": %s", strerror(saved));
	}
	return false;
}

bool fail_in(Error *e, const char *format, ...)
{
	Error inner = *e;
	va_list arguments;
	va_start(arguments, format);
	set(e, inner.code, format, arguments);
	va_end(arguments);
	size_t used = strlen(e->text);
	snprintf(e->text + used, sizeof e->text - used, ": %.*s", (int)(sizeof e->text / 2), inner.text);
	return false;
}

bool fail_first(const Error *errors, size_t count, Error *e)
{
	for (size_t i = 0; i < count; i++)
		if (errors[i].code != ERROR_NONE) {
			*e = errors[i];
			return false;
		}
	return true;
}
