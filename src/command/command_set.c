/* sockmalloc set: changes settings of running processes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/process_group.h"
#include "command/remote_signal.h"
#include "config/sources.h"

enum { SET_CHANGES = 16 };

struct set_wish {
    struct process_group group;
    struct live_request change[SET_CHANGES];
    unsigned changes;
    bool dry; /* true if no setting is to be changed */
};

static char fault[256];

/* Returns an error text that names the settings that can be changed in a running process. */
static const char *set_refuse_fixed(const char *name)
{
    struct text text = text_begin(fault, sizeof fault);
    text_add(&text, "%s cannot change while a program runs; only these can:", name);
#define SET_NAME(name, effect) text_add(&text, " " #name);
    OPTION_LIVE_ROWS(SET_NAME)
#undef SET_NAME
    return fault;
}

static const char *set_refuse_unknown(const char *name)
{
    const char *meant = option_similar(name);
    struct text text = text_begin(fault, sizeof fault);
    text_add(&text, meant != NULL ? "%s: no such setting; did you mean %s?" : "%s: no such setting", name, meant);
    return fault;
}

/* Reads a new value from NAME=VALUE. Returns NULL, or a text that says what is wrong. */
static const char *set_read(struct set_wish *wish, const char *argument)
{
    char name[48] = "";
    size_t length = strcspn(argument, "=");
    memcpy(name, argument, length < sizeof name ? length : sizeof name - 1);
    enum option option = sources_find(name);
    if (option == OPTION_COUNT) {
        return set_refuse_unknown(name);
    }
    if (!option_is_live(option)) {
        return set_refuse_fixed(option_variable(option));
    }
    if (wish->changes == SET_CHANGES) {
        return "too many settings are given";
    }
    struct live_request *change = &wish->change[wish->changes++];
    change->option = option;
    if (!option_read_value(option, argument + length + 1, &change->number)) {
        struct text text = text_begin(fault, sizeof fault);
        text_add(&text, "%s=%s: not ", option_variable(option), argument + length + 1);
        option_describe(option, &text);
        return fault;
    }
    return NULL;
}

static const char *set_take(void *input, int key, const char *argument)
{
    struct set_wish *wish = input;
    if (key == 'n') {
        wish->dry = true;
        return NULL;
    }
    return strchr(argument, '=') != NULL ? set_read(wish, argument) : process_group_add_word(&wish->group, argument);
}

/* Prints which setting of which process has which value. */
static void set_print(const struct remote_process *target, enum option option, const struct option_set *settings,
                      struct text *text)
{
    text_add(text, "process %d (", target->process);
    text_add_shown(text, target->name);
    text_add(text, "): %s=", option_variable(option));
    option_print(settings, option, text);
}

/* Changes one setting of one process. Prints the new value and the value before. */
static enum command_exit set_change(const struct set_wish *wish, struct remote_process *target,
                                    const struct live_request *change)
{
    static struct option_set before;
    static struct option_set after;
    char line[256];
    struct text text = text_begin(line, sizeof line);
    enum command_exit code = wish->dry ? remote_signal_judge(target, change->option, &before)
                                       : remote_signal_change(target, change, &before, &after);
    if (code != EXIT_DONE) {
        return code;
    }
    if (wish->dry) {
        after = before;
        after.number[change->option] = change->number;
    }
    set_print(target, change->option, &after, &text);
    text_add(&text, wish->dry ? " (not changed, is " : " (was ");
    option_print(&before, change->option, &text);
    text_add(&text, ")\n");
    return command_write(line, text.used);
}

enum command_exit command_set(int count, char **arguments)
{
    static struct set_wish wish;
    command_parse(&(struct command_line){.name = "set", .take = set_take, .input = &wish}, count, arguments);
    if (wish.group.words == 0 || wish.changes == 0) {
        return error_report(EXIT_USAGE, wish.changes == 0 ? "set: no NAME=VALUE is given" : "set: no process is given");
    }
    look_open(LOOK_MILLISECONDS);
    enum command_exit code = process_group_find(&wish.group);
    enum command_exit last = code;
    for (unsigned i = 0; i < wish.group.count && code == EXIT_DONE; i++) {
        struct group_member *member = wish.group.member[i];
        for (unsigned at = 0; at < wish.changes && member->state == REMOTE_READ; at++) {
            enum command_exit one = set_change(&wish, &member->target, &wish.change[at]);
            last = one != EXIT_DONE ? one : last;
        }
    }
    return last;
}
