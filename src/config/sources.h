/* The places that settings come from: the environment, the one string SOCKMALLOC_CONF, and a file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SOURCES_H
#define SOCKMALLOC_SOURCES_H

#include <stdbool.h>

#include "config/option.h"

/* The file of settings for all processes of the machine. */
#define SOURCES_FILE "/etc/sockmalloc.conf"

/* The most bytes that SOCKMALLOC_CONF or the file may have. */
enum { SOURCES_SIZE = 4096 };

/*
 * Reads the variable SOCKMALLOC_CONF by `environment`, and the file at `path`, which may be NULL. Both are lists of
 * items such as `pool=thread`, with a comma or a new line between two. In a name, small letters and hyphens are as good
 * as capitals and underscores, and SOCKMALLOC_ may stand before it. A # begins a comment, which the line ends. Says for
 * each item that is no setting, and for a text that is too long, that it is ignored. Returns false if there was one.
 * Start-up calls this function in one thread. A second call reads nothing, and returns what the first one did.
 */
bool sources_open(option_lookup *environment, const char *path);

/* Does what sources_open does for this process. A process with privileges of its own gets no settings from a file, as
 * it gets none from its environment. */
bool sources_open_own(void);

/*
 * An option_lookup: returns the value of a variable in the environment, or what SOCKMALLOC_CONF says, or what the file
 * says; NULL if none of them has it. Before sources_open it returns NULL.
 */
char *sources_lookup(const char *variable);

#endif
