/* An environment of the test's own for the option room to read. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ENVIRONMENT_H
#define SOCKMALLOC_TEST_ENVIRONMENT_H

#include "config/option.h"

/* Takes all variables away. */
void environment_clear(void);

/* Sets a variable, or takes it away with NULL. The strings stay the caller's. */
void environment_set(const char *name, const char *value);

/* Reads the settings, looking for unknown names in `list`, or nowhere; what was said about them. */
const char *environment_read(struct option_set *set, char *const *list);

/* The same with one variable alone, and no list. */
const char *environment_read_one(struct option_set *set, const char *name, const char *value);

/* Returns what option_peek says of a row whose variable has this value, or is not set where it is
 * NULL. */
uint64_t environment_peek(enum option option, const char *value);

#endif
