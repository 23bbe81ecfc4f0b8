/* Chooses where statistics go while SOCKMALLOC_STATS names no file, by environment variables that systemd sets for a
 * unit. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_DUMP_PLACE_H
#define SOCKMALLOC_DUMP_PLACE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "config/option.h"

/*
 * Reads two variables that systemd.exec(5) describes. JOURNAL_STREAM is the device and the inode of the journal's
 * socket; stderr is the journal if it had these at message_open. RUNTIME_DIRECTORY is a list of folders below /run that
 * the unit may write to. The library calls this function once, at start-up, so that no later change of the environment
 * matters. `environment` is secure_getenv, or a function of a test.
 */
INTERNAL void dump_place_open(option_lookup *environment);

/*
 * Returns true if stderr is preferred to the files of dump_place_template. That is so if stderr is the journal, or if
 * there is no RUNTIME_DIRECTORY. The caller checks that descriptor 2 is still stderr.
 */
INTERNAL bool dump_place_prefers_stderr(void);

/*
 * Returns the path of a file for statistics, in which %p stands for the process id, or NULL if there is no further one.
 * `attempt` counts from 0. The first file that can be opened is the place: one in RUNTIME_DIRECTORY, one in
 * /run/sockmalloc if JOURNAL_STREAM is set, and one in /tmp. Signal handlers may call this function, and
 * dump_place_prefers_stderr too.
 */
INTERNAL const char *dump_place_template(unsigned attempt);

#endif
