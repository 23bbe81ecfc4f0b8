/*
 * Prints figures of a program's message pages and rings, in which the program allocates messages by functions of
 * sockmalloc.h: as text, as JSON and in the format of Prometheus. A program can have several sets of message pages and
 * several rings; those with a name are printed.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/buffer_format.h"

#include <stddef.h>
#include <string.h>

#include "command/shown.h"
#include "statistics/format.h"
#include "statistics/format_prometheus.h"

struct buffer_row {
    const char *name;
    const char *unit;
    bool grows;
    const char *help;
};

#define ROW(name, unit, grows, help) {#name, unit, grows, help},
static const struct buffer_row message_rows[] = {REMOTE_MESSAGE_ROWS(ROW)};
static const struct buffer_row ring_rows[] = {REMOTE_RING_ROWS(ROW)};
#undef ROW

/* struct remote_message and struct remote_ring hold their figures as 64-bit numbers in the order of message_rows and
 * ring_rows, so the figures are read as an array. */
enum { MESSAGE_ROWS = sizeof message_rows / sizeof *message_rows, RING_ROWS = sizeof ring_rows / sizeof *ring_rows };
_Static_assert(sizeof((struct remote_message *)NULL)->figures == MESSAGE_ROWS * sizeof(uint64_t), "one row a figure");
_Static_assert(sizeof((struct remote_ring *)NULL)->figures == RING_ROWS * sizeof(uint64_t), "one row a figure");

/*
 * Describes one kind of objects, either sets of message pages or rings, and says where their data lie in struct
 * remote_buffers.
 */
struct buffer_group {
    const char *word;
    /* the name of the JSON array that lists the sets of message pages, or the rings, in the statistics */
    const char *member;
    /* the word for the thing whose size is printed: a page of a set of message pages, or a chunk of a ring */
    const char *size;
    const struct buffer_row *rows;
    unsigned row_count;
    /*
     * in bytes: `first` is the offset in struct remote_buffers of the array of sets of message pages or of rings,
     * `each` is the size of an element of that array, and `size_at` and `figures_at` are offsets in an element
     */
    size_t first, each, size_at, figures_at;
    size_t count_at;
};

static const struct buffer_group groups[] = {
    {"message", "messages", "page", message_rows, MESSAGE_ROWS, offsetof(struct remote_buffers, message),
     sizeof(struct remote_message), offsetof(struct remote_message, size), offsetof(struct remote_message, figures),
     offsetof(struct remote_buffers, messages)},
    {"ring", "rings", "chunk", ring_rows, RING_ROWS, offsetof(struct remote_buffers, ring), sizeof(struct remote_ring),
     offsetof(struct remote_ring, size), offsetof(struct remote_ring, figures),
     offsetof(struct remote_buffers, rings)}};

enum { GROUPS = sizeof groups / sizeof *groups };

static unsigned count_of(const struct buffer_group *group, const struct remote_buffers *buffers)
{
    return *(const unsigned *)(const void *)((const char *)buffers + group->count_at);
}

/* Returns the address of the set of message pages, or of the ring, with this number. The name of the set or ring is the
 * first member of its structure, so the result is also the address of the name. */
static const char *object_of(const struct buffer_group *group, const struct remote_buffers *buffers, unsigned number)
{
    return (const char *)buffers + group->first + number * group->each;
}

static unsigned long size_of(const struct buffer_group *group, const char *object)
{
    return *(const uint64_t *)(const void *)(object + group->size_at);
}

static unsigned long figure_of(const struct buffer_group *group, const char *object, unsigned row)
{
    return ((const uint64_t *)(const void *)(object + group->figures_at))[row];
}

/* --- text --- */

static void print_types(const struct remote_message *message, struct text *text)
{
    for (unsigned type = 0; type < REMOTE_TYPES; type++) {
        if (message->type[type].allocated > 0) {
            text_add(text, "%9s type %u: %lu messages of %lu bytes\n", "", type,
                     (unsigned long)message->type[type].allocated, (unsigned long)message->type[type].allocated_bytes);
        }
    }
}

void buffer_format_text(const struct remote_buffers *buffers, int process, struct text *text)
{
    if (buffers->messages > 0) {
        text_add(text, "\nmessage pages of process %d\n%9s %9s %9s %12s %10s %9s %12s  name\n", process, "page",
                 "pages", "used", "held", "stragglers", "messages", "bytes");
    }
    for (unsigned i = 0; i < buffers->messages; i++) {
        const struct remote_message *message = &buffers->message[i];
        text_add(text, "%9lu %9lu %9lu %12lu %10lu %9lu %12lu  ", (unsigned long)message->size,
                 (unsigned long)message->figures.pages, (unsigned long)message->figures.used,
                 (unsigned long)message->figures.held, (unsigned long)message->figures.straggler_pages,
                 (unsigned long)message->figures.straggler_messages, (unsigned long)message->figures.straggler_bytes);
        text_add_shown(text, message->name);
        text_add(text, "\n");
        print_types(message, text);
    }
    if (buffers->rings > 0) {
        text_add(text, "\nrings of process %d\n%9s %9s %9s %9s %12s %12s  name\n", process, "chunk", "chunks",
                 "occupied", "holder", "messages", "bytes");
    }
    for (unsigned i = 0; i < buffers->rings; i++) {
        const struct remote_ring *ring = &buffers->ring[i];
        text_add(text, "%9lu %9lu %9lu %9lu %12lu %12lu  ", (unsigned long)ring->size,
                 (unsigned long)ring->figures.chunks, (unsigned long)ring->figures.occupied,
                 (unsigned long)ring->figures.oldest_holder, (unsigned long)ring->figures.allocated,
                 (unsigned long)ring->figures.allocated_bytes);
        text_add_shown(text, ring->name);
        text_add(text, "\n");
    }
}

/* --- JSON --- */

static void print_json_types(const struct remote_message *message, struct text *text)
{
    text_add(text, ",\"types\":[");
    for (unsigned type = 0; type < REMOTE_TYPES; type++) {
        text_add(text, "%s{\"allocated\":%lu,\"allocated_bytes\":%lu}", type > 0 ? "," : "",
                 (unsigned long)message->type[type].allocated, (unsigned long)message->type[type].allocated_bytes);
    }
    text_add(text, "]");
}

static void print_json_object(const struct buffer_group *group, const char *object, struct text *text)
{
    text_add(text, "{\"%s\":", group->word);
    format_print_json_string(object, text);
    text_add(text, ",\"%s\":%lu", group->size, size_of(group, object));
    for (unsigned row = 0; row < group->row_count; row++) {
        text_add(text, ",\"%s\":%lu", group->rows[row].name, figure_of(group, object, row));
    }
    if (group->rows == message_rows) {
        print_json_types((const struct remote_message *)(const void *)object, text);
    }
    text_add(text, "}");
}

void buffer_format_json(const struct remote_buffers *buffers, struct text *text)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned count = count_of(&groups[i], buffers);
        for (unsigned number = 0; number < count; number++) {
            text_add(text, number > 0 ? "," : ",\"%s\":[", groups[i].member);
            print_json_object(&groups[i], object_of(&groups[i], buffers, number), text);
        }
        text_add(text, count > 0 ? "]" : "");
    }
}

/* --- Prometheus --- */

/* Prints the samples of one figure: one sample for each set of message pages, or for each ring. */
static void print_samples(const struct buffer_group *group, unsigned row, const struct pool_subject *subject,
                          const char *metric, struct text *text)
{
    for (unsigned number = 0; number < count_of(group, &subject->pools->buffers); number++) {
        const char *object = object_of(group, &subject->pools->buffers, number);
        text_add(text, "%s{%s=\"", metric, group->word);
        prometheus_print_value(object, text);
        text_add(text, "\",%s=\"%lu\",%s} %lu\n", group->size, size_of(group, object), subject->labels,
                 figure_of(group, object, row));
    }
}

static void print_metric(const struct buffer_group *group, unsigned row, const struct pool_subject *subject,
                         unsigned count, struct text *text)
{
    char buffer[64];
    struct text metric = text_begin(buffer, sizeof buffer);
    const struct buffer_row *described = &group->rows[row];
    bool has_unit = described->unit[0] == '\0' || strstr(described->name, described->unit) != NULL;
    text_add(&metric, "sockmalloc_%s_%s%s%s%s", group->word, described->name, has_unit ? "" : "_",
             has_unit ? "" : described->unit, described->grows ? "_total" : "");
    prometheus_print_head(buffer, described->grows ? "counter" : "gauge", described->help, text);
    for (unsigned i = 0; i < count; i++) {
        print_samples(group, row, &subject[i], buffer, text);
    }
}

void buffer_format_prometheus(const struct pool_subject *subject, unsigned count, struct text *text)
{
    for (unsigned i = 0; i < GROUPS; i++) {
        unsigned objects = 0;
        for (unsigned at = 0; at < count; at++) {
            objects += count_of(&groups[i], &subject[at].pools->buffers);
        }
        for (unsigned row = 0; objects > 0 && row < groups[i].row_count; row++) {
            print_metric(&groups[i], row, subject, count, text);
        }
    }
}
