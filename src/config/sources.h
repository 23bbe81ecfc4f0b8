/* The sources of settings: the environment, the variable SOCKMALLOC_CONF, which has a list of settings, and a file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SOURCES_H
#define SOCKMALLOC_SOURCES_H

#include <stdbool.h>

#include "config/option.h"

/* The file of settings for all processes of the machine. */
#define SOURCES_FILE "/etc/sockmalloc.conf"

/* The text of SOCKMALLOC_CONF, and that of the file, is too long if it has this number of bytes or more. */
enum { SOURCES_SIZE = 4096 };

/*
 * Reads the variable SOCKMALLOC_CONF, which `environment` looks up, and the file at `path`, which may be NULL. Each has
 * a list of items such as `pool=thread`, divided by commas or newlines. In a name, small letters may stand for capitals
 * and hyphens for underscores, and SOCKMALLOC_ may stand in front. A comment goes from a # to the end of the line.
 * Prints a message about each item that is no setting or has no value, and about a text that is too long; these are
 * ignored. Returns false if there was such a message. Start-up calls this function while there is one thread. A second
 * call reads nothing, and returns what the first one has returned.
 */
bool sources_open(option_lookup *environment, const char *path);

/* Calls sources_open for this process. If the process is privileged (setuid, for example), it gets no settings from the
 * file and none from its environment. */
bool sources_open_own(void);

/*
 * Returns the value of a variable: from the environment, or else from SOCKMALLOC_CONF, or else from the file; NULL if
 * none of them has it. Returns NULL before sources_open. The function is an option_lookup.
 */
char *sources_lookup(const char *variable);

/* Notes in `set` which values come from SOCKMALLOC_CONF and which from the file. option_read must have filled the set
 * by means of sources_lookup. */
void sources_note(struct option_set *set);

/* Returns in words where the value of a setting comes from. The set may come from another process. */
const char *sources_name(const struct option_set *set, enum option option);

/* Returns the setting of that name, or OPTION_COUNT if there is none. In the name, small letters may stand for capitals
 * and hyphens for underscores, and SOCKMALLOC_ may stand in front. Overwrites `name` with the name in capitals. */
enum option sources_find(char *name);

#endif
