/* Replaces the environment of the process by one that the test sets, from which config/option.c reads the settings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/environment.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "support/capture.h"

enum { VARIABLES_MAX = 8 };

static struct {
    const char *name;
    const char *value;
} variables[VARIABLES_MAX];

void environment_clear(void)
{
    memset(variables, 0, sizeof variables);
}

void environment_set(const char *name, const char *value)
{
    unsigned i = 0;
    while (variables[i].name != NULL && strcmp(variables[i].name, name) != 0) {
        i++;
        cr_assert_lt(i, (unsigned)VARIABLES_MAX);
    }
    variables[i].name = name;
    variables[i].value = value;
}

char *environment_lookup(const char *name)
{
    for (unsigned i = 0; i < VARIABLES_MAX && variables[i].name != NULL; i++) {
        if (strcmp(variables[i].name, name) == 0) {
            return (char *)(uintptr_t)variables[i].value;
        }
    }
    return NULL;
}

const char *environment_read(struct option_set *set, char *const *list)
{
    capture_begin();
    option_read(set, environment_lookup, list);
    return capture_end();
}

const char *environment_read_one(struct option_set *set, const char *name, const char *value)
{
    environment_clear();
    environment_set(name, value);
    return environment_read(set, NULL);
}

uint64_t environment_peek(enum option option, const char *value)
{
    environment_clear();
    environment_set(option_variable(option), value);
    return option_peek(option, environment_lookup);
}
