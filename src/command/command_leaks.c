/* sockmalloc leaks: lists which callers in live processes have allocated the slots that are still in use. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/process_group.h"
#include "pool/in_use_list.h"
#include "statistics/format.h"

struct leaks_wish {
    struct process_group group;
    bool as_json;
};

static const char *leaks_take(void *input, int key, const char *argument)
{
    struct leaks_wish *wish = input;
    if (key == 'j') {
        wish->as_json = true;
        return NULL;
    }
    return process_group_add_word(&wish->group, argument);
}

static void print_age(uint64_t nanoseconds, struct text *text)
{
    char buffer[32];
    struct text age = text_begin(buffer, sizeof buffer);
    unsigned thousandths = (unsigned)(nanoseconds / 1000000 % 1000);
    if (nanoseconds == IN_USE_UNKNOWN) {
        text_add(&age, "unknown");
    } else {
        text_add(&age, "%lu.%c%c%c s", (unsigned long)(nanoseconds / 1000000000), (char)('0' + thousandths / 100),
                 (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10));
    }
    text_add(text, "%15s", buffer);
}

static void print_table(const struct remote_process *target, const struct remote_in_use *in_use, struct text *text)
{
    text_add(text, "process %d (", target->process);
    text_add_shown(text, target->name);
    text_add(text, "): in use %lu slots, %lu bytes, by %u callers\n%10s %15s %15s  caller\n",
             (unsigned long)in_use->slots, (unsigned long)in_use->bytes, in_use->callers, "slots", "bytes", "oldest");
    for (unsigned i = 0; i < in_use->listed; i++) {
        const struct remote_in_use_caller *caller = &in_use->caller[i];
        text_add(text, "%10lu %15lu ", (unsigned long)caller->slots, (unsigned long)caller->bytes);
        print_age(caller->age, text);
        text_add(text, "  %s\n", caller->name);
    }
    if (in_use->callers > in_use->listed) {
        text_add(text, "and %u callers whose slots are younger\n", in_use->callers - in_use->listed);
    }
}

/* Prints a JSON object for each caller that has slots in use. The member "age" is the age of the caller's oldest slot
 * in nanoseconds, or null if the age is unknown. */
static void print_json(const struct remote_process *target, const struct remote_in_use *in_use, struct text *text)
{
    for (unsigned i = 0; i < in_use->listed; i++) {
        const struct remote_in_use_caller *caller = &in_use->caller[i];
        text_add(text, "{\"process\":%d,\"slots\":%lu,\"bytes\":%lu,\"age\":", target->process,
                 (unsigned long)caller->slots, (unsigned long)caller->bytes);
        if (caller->age == IN_USE_UNKNOWN) {
            text_add(text, "null");
        } else {
            text_add(text, "%lu", (unsigned long)caller->age);
        }
        text_add(text, ",\"caller\":");
        format_print_json_string(caller->name, text);
        text_add(text, "}\n");
    }
}

/* Prints which callers have allocated the slots that are still in use in a process. Returns EXIT_DONE, or prints an
 * error and returns its exit code. */
static enum command_exit leaks_of(struct remote_process *target, bool as_json)
{
    static char buffer[(REMOTE_IN_USE_CALLERS + 3) * (REMOTE_IN_USE_NAME_SIZE + 128)];
    static struct remote_in_use in_use;
    struct text text = text_begin(buffer, sizeof buffer);
    enum remote_process_state state = look_at_in_use(target, &in_use);
    if (state != REMOTE_READ) {
        return remote_process_report(target, state);
    }
    if (!in_use.is_kept) {
        return error_report(EXIT_WITHOUT,
                            "process %d (%s) notes no callers: it was started without SOCKMALLOC_POOL=standard and "
                            "SOCKMALLOC_IN_USE=1",
                            target->process, target->name);
    }
    (as_json ? print_json : print_table)(target, &in_use, &text);
    return command_write(buffer, text.used);
}

enum command_exit command_leaks(int count, char **arguments)
{
    static struct leaks_wish wish;
    struct process_group *group = &wish.group;
    command_parse(&(struct command_line){.name = "leaks", .take = leaks_take, .input = &wish}, count, arguments);
    if (group->words == 0) {
        return error_report(EXIT_USAGE, "leaks: a process, a name or a unit has to be named");
    }
    look_open(LOOK_MILLISECONDS);
    enum command_exit code = process_group_find(group);
    if (code != EXIT_DONE) {
        return code;
    }
    for (unsigned i = 0; code != EXIT_UNWRITTEN && i < group->count; i++) {
        if (group->member[i]->state == REMOTE_READ) {
            enum command_exit one = leaks_of(&group->member[i]->target, wish.as_json);
            code = one != EXIT_DONE ? one : code;
        }
    }
    return code;
}
