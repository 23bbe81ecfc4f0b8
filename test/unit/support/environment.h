/* Provides an environment of the test's own, from which config/option.c reads the settings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ENVIRONMENT_H
#define SOCKMALLOC_TEST_ENVIRONMENT_H

#include "config/option.h"

/* Removes all variables. */
void environment_clear(void);

/* Sets a variable, or removes it if `value` is NULL. The strings must stay valid. */
void environment_set(const char *name, const char *value);

/* Reads the settings, and looks in `list`, a list of environment variables, for unknown names unless it is NULL.
 * Returns the messages that were printed. */
const char *environment_read(struct option_set *set, char *const *list);

/* Reads the settings with the variable `name` as the only one, and does not look for unknown names. Returns the
 * messages that were printed. */
const char *environment_read_one(struct option_set *set, const char *name, const char *value);

/* Returns the result of option_peek when the option's variable has this value, or is not set if `value` is NULL. */
uint64_t environment_peek(enum option option, const char *value);

#endif
