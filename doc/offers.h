/* The subcommands and options that can be typed, from the rows of the command and of the settings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OFFERS_H
#define SOCKMALLOC_OFFERS_H

#include <stdbool.h>

struct command_offer {
    const char *name;
    const char *arguments; /* one line for each way to call it */
    const char *help;
    bool takes_settings; /* true if it has the settings as options */
    bool takes_process;
    bool takes_program; /* true if a program and its arguments can follow the options */
};

/* All subcommands. An entry without a name ends them. */
extern const struct command_offer command_offers[];

struct option_offer {
    char name[32];
    int letter; /* or 0 if it has none */
    const char *help;
    const char *argument; /* or NULL if it has none */
    bool may_lack;        /* the argument is optional; it can then only follow an = */
    bool is_file;         /* the argument is a file */
    char words[64];       /* the words that the argument can be, each with a blank before it; or "" */
};

typedef void option_visit(const struct option_offer *offer);

/* Call `visit` for each option: those of the subcommand's own rows, and those that are settings. */
void offers_visit_own(const struct command_offer *command, option_visit *visit);
void offers_visit_settings(const struct command_offer *command, option_visit *visit);

#endif
