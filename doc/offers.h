/* What can be typed behind `sockmalloc`, from the command's rows and those of the settings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OFFERS_H
#define SOCKMALLOC_OFFERS_H

#include <stdbool.h>

struct command_offer {
    const char *name;
    const char *arguments; /* lines, each a way to call it */
    const char *help;
    bool takes_settings; /* as options */
    bool takes_process;
};

/* Ends with one without a name. */
extern const struct command_offer command_offers[];

struct option_offer {
    char name[32];
    int letter; /* or 0 */
    const char *help;
    const char *argument; /* or NULL */
    bool may_lack;        /* the argument, which otherwise follows a = alone */
    bool is_file;         /* the argument */
    char words[64];       /* that the argument can be, each with a blank before it; or empty */
};

typedef void option_visit(const struct option_offer *offer);

/* The options that are the command's own, and those that are settings, if it takes them. */
void offers_visit_own(const struct command_offer *command, option_visit *visit);
void offers_visit_settings(const struct command_offer *command, option_visit *visit);

#endif
