/* Replaces the environment of the process by one that the test sets, from which config/option.c reads the settings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TEST_ENVIRONMENT_H
#define SOCKMALLOC_TEST_ENVIRONMENT_H

#include "config/option.h"

/* Removes all variables from the test's environment. */
void environment_clear(void);

/* Sets the variable `name`, or removes it if `value` is NULL. The strings are not copied, so they must stay valid. */
void environment_set(const char *name, const char *value);

/* Returns the value of a variable, or NULL. Tests pass this function as an option_lookup, so its result is a pointer
 * without const, like that of getenv. */
char *environment_lookup(const char *name);

/* Reads the settings from the test's environment. `list` is NULL or a list of environment variables, in which the
 * library also looks for unknown settings. Returns the messages that the library has printed. */
const char *environment_read(struct option_set *set, char *const *list);

/* Reads the settings while `name` is the only variable, and does not look for unknown settings. Returns the messages
 * that the library has printed. */
const char *environment_read_one(struct option_set *set, const char *name, const char *value);

/* Returns what option_peek returns for the option if its variable has this value, or is not set if `value` is NULL. */
uint64_t environment_peek(enum option option, const char *value);

#endif
