/* Texts with fields in braces, filled in for a user and an event that the user is asked about:
 *
 *   {NAME}            a feature or a text of the event or of its item; several values with ", " between
 *   {item}            the item's name (user/task.h)
 *   {item.NAME}       a feature or a text of the item
 *   {user}            the user's id
 *   {favorite.NAME}   of the events before that one, 50 at most: the value of a feature, or the whole of its
 *                     values, that comes most often; of several, the one that came last
 *   {{ and }}         braces
 *
 * What an event does not have is empty. */
#ifndef USER_TEMPLATE_H
#define USER_TEMPLATE_H

#include "data/dataset.h"
#include "user/ranking.h"

typedef enum { FIELD_LITERAL, FIELD_USER, FIELD_ITEM, FIELD_FEATURE, FIELD_TEXT, FIELD_FAVORITE } FieldKind;

typedef struct {
	FieldKind kind;
	Text literal; /* within the template's own copy */
	size_t index; /* of a feature or a text of the dataset */
} TemplatePart;

typedef struct {
	char *text;
	TemplatePart *parts;
	size_t count, capacity;
	bool literal; /* a person's own words, not filled in */
} Template;

/* ERROR_USAGE for a field that the data does not have, with those that it has, and for lone braces; data
 * NULL: there are no fields. */
bool template_parse(Template *t, const char *text, const Dataset *data, Error *e);
/* The text as it is, braces and all. */
bool template_literal(Template *t, const char *text, Error *e);
void template_free(Template *t);

/* The event that is asked about is the one behind the question's history; names are those of the items. */
bool template_fill(const Template *t, const Dataset *data, const Strings *names, const Query *question,
                   Buffer *out, Error *e);
/* Whether that is more than nothing. */
bool template_says(const Template *t, const Dataset *data, const Strings *names, const Query *question);
/* Whether it is the same text for all. */
bool template_is_fixed(const Template *t);
/* Whether it tells anything of that event. */
bool template_tells_event(const Template *t);
/* The only field that there is, with nothing around it; NULL: there is more, or less. */
const TemplatePart *template_field(const Template *t);

/* "Drama, War": the values of a list, without those that are unknown. */
bool values_append(const Feature *f, Ids values, Buffer *out, Error *e);

#endif
