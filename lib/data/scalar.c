#include "data/scalar.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Reads digits, `least` of them or more, up to `most`; *value saturates. */
static size_t read_digits(Text *t, size_t least, size_t most, int64_t *value)
{
	const int64_t large = INT64_MAX / 10 - 1;
	size_t count = 0;
	*value = 0;
	for (; count < most && count < t->size && t->data[count] >= '0' && t->data[count] <= '9'; count++)
		*value = *value > large ? INT64_MAX : *value * 10 + (t->data[count] - '0');
	if (count < least)
		return 0;
	t->data += count;
	t->size -= count;
	return count;
}

static bool read_character(Text *t, const char *one_of, char *which)
{
	for (const char *c = one_of; *c != '\0' && t->size > 0; c++)
		if (*t->data == *c) {
			*which = *c;
			t->data++;
			t->size--;
			return true;
		}
	return false;
}

/* [+-] digits [. digits]: the whole part, and whether there is a fraction above 0. */
static bool read_decimal(Text *t, bool *negative, int64_t *whole, bool *fraction)
{
	char sign = '+', point;
	int64_t part = 0;
	read_character(t, "+-", &sign);
	size_t digits = read_digits(t, 0, SIZE_MAX, whole);
	if (read_character(t, ".", &point))
		digits += read_digits(t, 0, SIZE_MAX, &part);
	*negative = sign == '-';
	*fraction = part > 0;
	return digits > 0;
}

bool scalar_is_number(Text t)
{
	bool negative, fraction;
	int64_t whole;
	char mark;
	if (!read_decimal(&t, &negative, &whole, &fraction))
		return false;
	if (read_character(&t, "eE", &mark)) {
		read_character(&t, "+-", &mark);
		if (read_digits(&t, 1, 3, &whole) == 0)
			return false;
	}
	return t.size == 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; March starts the year, so
 * that the day that may be missing is its last. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719468;
}

static bool read_date(Text *t, int64_t *days)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t year, month, day;
	char dash;
	if (!read_digits(t, 4, 4, &year) || !read_character(t, "-", &dash) || !read_digits(t, 2, 2, &month) ||
	    !read_character(t, "-", &dash) || !read_digits(t, 2, 2, &day))
		return false;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (month == 2 && leap))
		return false;
	*days = days_from_date(year, month, day);
	return true;
}

/* HH:MM[:SS[.SSS]] */
static bool read_clock(Text *t, int64_t *seconds)
{
	int64_t hours, minutes, rest = 0, fraction;
	char mark;
	if (!read_digits(t, 2, 2, &hours) || !read_character(t, ":", &mark) ||
	    !read_digits(t, 2, 2, &minutes) ||
	    (read_character(t, ":", &mark) && !read_digits(t, 2, 2, &rest)) ||
	    (read_character(t, ".", &mark) && !read_digits(t, 1, SIZE_MAX, &fraction)))
		return false;
	*seconds = hours * 3600 + minutes * 60 + rest;
	return hours < 24 && minutes < 60 && rest <= 60; /* 60: a leap second */
}

/* Z, or +HH or -HH and perhaps the minutes, or nothing. */
static bool read_zone(Text *t, int64_t *seconds)
{
	char sign;
	int64_t hours, minutes = 0;
	*seconds = 0;
	if (t->size == 0 || read_character(t, "Zz", &sign))
		return true;
	if (!read_character(t, "+-", &sign) || !read_digits(t, 2, 2, &hours))
		return false;
	char colon;
	bool has_minutes = read_character(t, ":", &colon) || t->size > 0;
	if ((has_minutes && !read_digits(t, 2, 2, &minutes)) || hours > 23 || minutes > 59)
		return false;
	*seconds = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static bool read_date_time(Text t, int64_t *seconds)
{
	int64_t days, clock = 0, zone = 0;
	char between;
	if (!read_date(&t, &days) ||
	    (read_character(&t, "Tt ", &between) && (!read_clock(&t, &clock) || !read_zone(&t, &zone))))
		return false;
	*seconds = days * 86400 + clock - zone;
	return t.size == 0;
}

/* Eight digits, of which two, then four, then eight become a number. */
static bool read_eight(const char *p, int64_t *value)
{
	uint64_t word;
	memcpy(&word, p, sizeof word);
	word = le64toh(word);
	uint64_t digits = word - 0x3030303030303030u;
	if (((word + 0x4646464646464646u) | digits) & 0x8080808080808080u)
		return false;
	digits = digits * 10 + (digits >> 8);
	*value = (int64_t)(((digits & 0xff000000ffu) * (100 + (1000000ull << 32)) +
	                    (digits >> 16 & 0xff000000ffu) * (1 + (10000ull << 32))) >>
	                   32);
	return true;
}

/* What times are almost always: digits, and no more than fit. */
static bool read_plain(Text t, int64_t *value)
{
	int64_t x = 0;
	size_t i = t.size >= 8 && read_eight(t.data, &x) ? 8 : 0;
	for (; i < t.size; i++) {
		unsigned digit = (unsigned)(uint8_t)t.data[i] - '0';
		if (digit > 9)
			return false;
		x = x * 10 + digit;
	}
	*value = x;
	return t.size > 0;
}

/* A number with an exponent, rounded down, as what writes JSON may spell large ones. */
static bool read_exponent(Text t, int64_t *value)
{
	char terminated[64];
	if (t.size >= sizeof terminated || !scalar_is_number(t))
		return false;
	memcpy(terminated, t.data, t.size);
	terminated[t.size] = '\0';
	double x = floor(strtod(terminated, NULL));
	*value = x >= 9.2e18 ? INT64_MAX : x <= -9.2e18 ? INT64_MIN + 1 : (int64_t)x;
	return true;
}

/* A number and nothing else, rounded down; INT64_MAX and INT64_MIN + 1 stand for larger ones. */
static bool read_whole(Text t, int64_t *value)
{
	bool negative, fraction;
	int64_t whole;
	if (t.size <= 18 && read_plain(t, value))
		return true;
	Text all = t;
	if (!read_decimal(&t, &negative, &whole, &fraction))
		return false;
	if (t.size > 0)
		return read_exponent(all, value);
	*value = negative ? -whole - (fraction && whole < INT64_MAX) : whole;
	return true;
}

static bool fits(int64_t value)
{
	return value < INT64_MAX && value > -INT64_MAX;
}

bool scalar_time(Text t, int64_t *seconds)
{
	return read_whole(t, seconds) ? fits(*seconds) : read_date_time(t, seconds);
}

bool scalar_milliseconds(Text t, int64_t *seconds)
{
	int64_t value;
	if (!read_whole(t, &value) || !fits(value))
		return false;
	*seconds = value / 1000 - (value % 1000 < 0);
	return true;
}
