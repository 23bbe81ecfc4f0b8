/* Lists the command's subcommands and their options, from the rows of the command and of the settings. The programs
 * that make the man page and the completions use this list. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OFFERS_H
#define SOCKMALLOC_OFFERS_H

#include <stdbool.h>

struct command_offer {
    const char *name;
    const char *arguments; /* the arguments, with one line for each way to call the subcommand */
    const char *help;
    bool takes_settings; /* true if the subcommand takes the library's settings as options */
    bool takes_process;
    bool takes_program; /* true if a program and its arguments can follow the options */
};

/* All subcommands. An entry without a name ends them. */
extern const struct command_offer command_offers[];

struct option_offer {
    char name[32];
    int letter; /* the option's letter, or 0 if it has none */
    const char *help;
    const char *argument; /* the name of the option's argument, or NULL if it has none */
    bool may_lack;        /* true if the argument is optional; it must then follow an = */
    bool is_file;         /* true if the argument is a file */
    char words[64];       /* the words that the argument can be, each with a blank before it; or "" */
};

typedef void option_visit(const struct option_offer *offer);

/* offers_visit_own calls `visit` for each option of the subcommand's own rows, and offers_visit_settings for each
 * setting that the subcommand takes as an option. */
void offers_visit_own(const struct command_offer *command, option_visit *visit);
void offers_visit_settings(const struct command_offer *command, option_visit *visit);

#endif
