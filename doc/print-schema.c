/* Prints the rows of statistics for the JSON schema. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "buffers/fixed_statistics.h"
#include "command/remote_buffers.h"
#include "config/setting.h"
#include "memory/bucket.h"
#include "statistics/format.h"
#include "statistics/snapshot.h"

/* Prints text as a JSON string, with its quotes. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        fputs(*text == '"' || *text == '\\' ? "\\" : "", stdout);
        putchar(*text);
    }
    putchar('"');
}

/* Prints an item of a list of names, after a comma unless it is the first item. */
static void print_name(const char *name, bool is_first)
{
    fputs(is_first ? "" : ",\n", stdout);
    print_string(name);
}

/* Prints a member of an object: the figure of that name. `type` is a name under $defs. */
static void print_member(const char *name, const char *type, const char *help, bool is_first)
{
    print_name(name, is_first);
    printf(": {\n    \"$ref\": \"#/$defs/%s\",\n    \"description\": ", type);
    print_string(help);
    fputs("\n}", stdout);
}

/* Returns the type of a figure under $defs. Resident figures are null where the library cannot read them. */
static const char *type_of(const char *name)
{
    return strncmp(name, "resident", strlen("resident")) == 0 ? "known_or_null" : "count";
}

static void print_figure_names(void)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        print_name(snapshot_rows[i].name, i == 0);
    }
#define NAME(name, width, help) print_name(#name, false);
    SNAPSHOT_SHARE_ROWS(NAME)
#undef NAME
    putchar('\n');
}

static void print_figures(void)
{
    for (unsigned i = 0; i < SNAPSHOT_COUNT; i++) {
        print_member(snapshot_rows[i].name, type_of(snapshot_rows[i].name), snapshot_rows[i].help, i == 0);
    }
#define MEMBER(name, width, help) print_member(#name, "share", help, false);
    SNAPSHOT_SHARE_ROWS(MEMBER)
#undef MEMBER
    putchar('\n');
}

/*
 * Prints the names of the figures of the whole process, each with a comma, because other names follow in the template.
 */
static void print_process_names(void)
{
#define NAME(name, type, unit, help)                                                                                   \
    print_name(#name, true);                                                                                           \
    puts(",");
    SNAPSHOT_PROCESS_ROWS(NAME)
#undef NAME
}

static void print_process(void)
{
#define MEMBER(name, type, unit, help)                                                                                 \
    print_member(#name, "count", help, true);                                                                          \
    puts(",");
    SNAPSHOT_PROCESS_ROWS(MEMBER)
#undef MEMBER
}

/* Prints the figures of a named fixed-size pool. */
static void print_fixed(void)
{
#define MEMBER(name, unit, help)                                                                                       \
    puts(",");                                                                                                         \
    print_member(#name, "count", help, true);
    FIXED_FIGURE_ROWS(MEMBER)
    FIXED_EVENT_ROWS(MEMBER)
#undef MEMBER
}

/* Print the figures of named message pages and of named rings. */
static void print_messages(void)
{
#define MEMBER(name, unit, grows, help)                                                                                \
    puts(",");                                                                                                         \
    print_member(#name, "count", help, true);
    REMOTE_MESSAGE_ROWS(MEMBER)
}

static void print_rings(void)
{
    REMOTE_RING_ROWS(MEMBER)
#undef MEMBER
}

static void print_pools(void)
{
    const struct setting_choice *choice = setting_choices(SETTING_POOL);
    for (bool is_first = true; choice->word != NULL; choice++, is_first = false) {
        print_name(choice->word, is_first);
    }
    putchar('\n');
}

static void print_format(void)
{
    printf("\"const\": %d,\n", (int)FORMAT_JSON_VERSION);
}

static void print_limit(void)
{
    printf("\"maxItems\": %d,\n", (int)BUCKET_LIMIT);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } parts[] = {{"figure-names", print_figure_names},
                 {"figures", print_figures},
                 {"process-names", print_process_names},
                 {"process", print_process},
                 {"pools", print_pools},
                 {"fixed", print_fixed},
                 {"messages", print_messages},
                 {"rings", print_rings},
                 {"format", print_format},
                 {"limit", print_limit}};
    for (size_t i = 0; count == 2 && i < sizeof parts / sizeof parts[0]; i++) {
        if (strcmp(arguments[1], parts[i].name) == 0) {
            parts[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: print-schema figure-names|figures|process-names|process|pools|fixed|messages|rings|format|limit\n",
          stderr);
    return 2;
}
