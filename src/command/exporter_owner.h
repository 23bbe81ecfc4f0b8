/* Parses the mode and the owner that the command line gives for the files which `sockmalloc exporter` creates. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_OWNER_H
#define SOCKMALLOC_EXPORTER_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

struct exporter_owner {
    bool has_mode;
    mode_t mode;
    uid_t user;  /* (uid_t)-1 if the owner of a file is not changed */
    gid_t group; /* (gid_t)-1 if the group of a file is not changed */
};

/* Reads a mode in octal, such as 0644. Returns NULL, or a text that says what is wrong. */
const char *exporter_owner_read_mode(struct exporter_owner *owner, const char *text);

/* Reads USER or USER:GROUP, each a name or a number. Returns NULL, or a text that says what is wrong. */
const char *exporter_owner_read(struct exporter_owner *owner, const char *text);

/* Returns the mode of a new file: the mode from the command line, or `initial` if the command line has none. */
mode_t exporter_owner_mode(const struct exporter_owner *owner, mode_t initial);

#endif
