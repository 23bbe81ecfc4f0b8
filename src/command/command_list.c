/* sockmalloc list: lists the processes that have loaded the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "command/command.h"
#include "command/error.h"
#include "command/look.h"
#include "command/process_group.h"
#include "command/shown.h"
#include "statistics/format.h"

enum list_form { LIST_TABLE, LIST_JSON, LIST_WORDS };

struct list_wish {
    struct process_group group;
    enum list_form form;
};

static const char *list_take(void *input, int key, const char *argument)
{
    struct list_wish *wish = input;
    switch (key) {
    case 'j':
        wish->form = LIST_JSON;
        return NULL;
    case 'w':
        wish->form = LIST_WORDS;
        return NULL;
    default:
        return process_group_add_word(&wish->group, argument);
    }
}

/* The figures of a process that the list shows in addition to those of struct group_member. */
struct list_row {
    char unit[PROCESS_UNIT_SIZE];
    uint64_t resident; /* bytes, or SNAPSHOT_UNKNOWN */
    uint64_t live;     /* resident bytes of slots in use, or SNAPSHOT_UNKNOWN */
};

static void list_look(struct group_member *member, struct list_row *row)
{
    struct remote_memory memory;
    process_unit(member->target.process, row->unit);
    bool is_known = look_at_memory(&member->target, &memory) == REMOTE_READ;
    row->resident = is_known ? memory.resident : SNAPSHOT_UNKNOWN;
    row->live = member->is_read ? member->snapshot->total.resident_live : SNAPSHOT_UNKNOWN;
}

static void list_print_table_row(const struct group_member *member, const struct list_row *row, struct text *text)
{
    text_add(text, "%8d ", member->target.process);
    shown_name(member->target.name, 15, text);
    text_add(text, " ");
    shown_name(row->unit, 25, text);
    shown_mebibytes(row->resident, 10, text);
    shown_mebibytes(row->live, 10, text);
    text_add(text, " ");
    text_add_shown(text, member->target.view.library);
    if (member->state != REMOTE_READ) {
        text_add(text, member->state == REMOTE_OTHER ? " (another)" : " (unreadable)");
    }
    text_add(text, "\n");
}

static void list_print_json_figure(const char *name, uint64_t figure, struct text *text)
{
    if (figure == SNAPSHOT_UNKNOWN) {
        text_add(text, ",\"%s\":null", name);
    } else {
        text_add(text, ",\"%s\":%lu", name, (unsigned long)figure);
    }
}

static void list_print_json_row(const struct group_member *member, const struct list_row *row, struct text *text)
{
    text_add(text, "{\"process\":%d,\"program\":", member->target.process);
    format_print_json_string(member->target.name, text);
    text_add(text, ",\"unit\":");
    format_print_json_string(row->unit, text);
    list_print_json_figure("rss", row->resident, text);
    list_print_json_figure("resident_live", row->live, text);
    text_add(text, ",\"version\":");
    format_print_json_string(member->target.view.library, text);
    text_add(text, ",\"read\":%s}\n", member->is_read ? "true" : "false");
}

static enum command_exit list_print(struct list_wish *wish)
{
    enum { LINE_SIZE = 4096 };
    char line[LINE_SIZE];
    struct text text = text_begin(line, sizeof line);
    if (wish->form == LIST_TABLE) {
        text_add(&text, "%8s %-15s %-25s %9s %9s %s\n", "process", "program", "unit", "rss MiB", "live MiB", "version");
    }
    for (unsigned i = 0; i < wish->group.count; i++) {
        struct group_member *member = wish->group.member[i];
        struct list_row row;
        if (member->state == REMOTE_GONE) {
            continue;
        }
        list_look(member, &row);
        (wish->form == LIST_TABLE ? list_print_table_row : list_print_json_row)(member, &row, &text);
        enum command_exit code = command_write(line, text.used);
        if (code != EXIT_DONE) {
            return code;
        }
        text = text_begin(line, sizeof line);
    }
    return EXIT_DONE;
}

/*
 * Returns true if a shell's completion may offer the word. The word may be the name of a process, which another user
 * has chosen. So a word with characters that a shell would expand is not offered.
 */
static bool list_is_plain(const char *word)
{
    return word[0] != '\0' && word[0] != '-' &&
           word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:+-")] == '\0';
}

/*
 * Adds the word to the text, in a line of its own, if a shell's completion can offer the word. Otherwise adds nothing.
 */
static void list_add_word(struct text *text, const char *word)
{
    if (list_is_plain(word)) {
        text_add(text, "%s\n", word);
    }
}

static enum command_exit list_print_words(const struct process_group *group)
{
    char line[REMOTE_NAME_SIZE + PROCESS_UNIT_SIZE + 32];
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < group->count && code == EXIT_DONE; i++) {
        const struct remote_process *target = &group->member[i]->target;
        char unit[PROCESS_UNIT_SIZE];
        struct text text = text_begin(line, sizeof line);
        process_unit(target->process, unit);
        text_add(&text, "%d\n", target->process);
        list_add_word(&text, target->name);
        list_add_word(&text, unit);
        code = command_write(line, text.used);
    }
    return code;
}

enum command_exit command_list(int count, char **arguments)
{
    static struct list_wish wish;
    command_parse(&(struct command_line){.name = "list", .take = list_take, .input = &wish}, count, arguments);
    look_open(LOOK_MILLISECONDS);
    wish.group.shows_all = true;
    enum command_exit code = process_group_find(&wish.group);
    if (code != EXIT_DONE || wish.form == LIST_WORDS) {
        return code == EXIT_DONE ? list_print_words(&wish.group) : code;
    }
    code = process_group_take(&wish.group);
    return code == EXIT_DONE ? list_print(&wish) : code;
}
