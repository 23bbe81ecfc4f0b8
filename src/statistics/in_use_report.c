/* Prints the blocks in use, for a person who looks for leaks: by caller, the caller of the oldest block first. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/in_use_report.h"

#include <limits.h>

#include "base/attributes.h"
#include "base/text.h"
#include "config/message.h"
#include "memory/region.h"
#include "os/sandbox.h"
#include "os/symbol.h"
#include "pool/in_use.h"
#include "pool/in_use_list.h"

/* LINE_SIZE is the largest size of a line in bytes, and WRITE_SIZE the largest size of one write. A write has only
 * whole lines. A pipe keeps the bytes of a write of this size together. */
enum { LINE_SIZE = 512, WRITE_SIZE = PIPE_BUF };

/*
 * Collects lines for a descriptor. After the descriptor has refused a part, nothing more is written to it, because each
 * further write could make the program wait.
 */
struct writer {
    int descriptor;
    bool whole;
    struct text text;
    char buffer[WRITE_SIZE];
};

/* The variables below are static and do not lie on the stack, because a signal handler may run on a stack of a few
 * pages. */
static LARGE_OBJECT struct writer writer;
static LARGE_OBJECT struct in_use_list list;
static LARGE_OBJECT struct symbol_finder finder;

static void writer_open(int descriptor)
{
    writer.descriptor = descriptor;
    writer.whole = true;
    writer.text = text_begin(writer.buffer, sizeof writer.buffer);
}

static void writer_flush(void)
{
    writer.whole = writer.whole && message_write(writer.descriptor, writer.buffer, writer.text.used);
    writer.text = text_begin(writer.buffer, sizeof writer.buffer);
}

static void writer_end_line(void)
{
    text_add(&writer.text, "\n");
    if (writer.text.size - writer.text.used < LINE_SIZE) {
        writer_flush();
    }
}

/* Prints the age of a block in seconds, so that it ends at the end of its column. */
static void print_age(uint64_t taken_at, uint64_t now, int width)
{
    if (taken_at == IN_USE_UNKNOWN) {
        text_add(&writer.text, "%*s", width, "unknown");
        return;
    }
    uint64_t thousandths = now > taken_at ? (now - taken_at) / 1000000 : 0;
    char buffer[32];
    struct text age = text_begin(buffer, sizeof buffer);
    text_add(&age, "%lu.%c%c%c s", (unsigned long)(thousandths / 1000), (char)('0' + thousandths / 100 % 10),
             (char)('0' + thousandths / 10 % 10), (char)('0' + thousandths % 10));
    text_add(&writer.text, "%*s", width, buffer);
}

/* Returns how many blocks the group has that begins at number `first` of the list. A group has all neighbouring blocks
 * that one caller has allocated. */
static size_t group_count(size_t first)
{
    size_t end = first + 1;
    while (end < list.count && list.slot[end].caller == list.slot[first].caller) {
        end++;
    }
    return end - first;
}

static uint64_t group_bytes(size_t first, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = first; i < first + count; i++) {
        bytes += list.slot[i].request;
    }
    return bytes;
}

static void write_caller(size_t first, size_t count, uint64_t now)
{
    const struct in_use_slot *oldest = &list.slot[first];
    text_add(&writer.text, "by ");
    if (oldest->caller != NULL) {
        symbol_print(&finder, oldest->caller, &writer.text);
    } else {
        text_add(&writer.text, "an unknown caller");
    }
    text_add(&writer.text, ": slots %zu, bytes %lu, oldest ", count, (unsigned long)group_bytes(first, count));
    print_age(oldest->taken_at, now, 0);
    writer_end_line();
}

static void write_slot(const struct in_use_slot *slot, const struct bucket_plan *plan, uint64_t now)
{
    text_add(&writer.text, "  %p  %-6s %10u bytes", region_slot(slot->number), plan->label[slot->bucket],
             slot->request);
    print_age(slot->taken_at, now, 16);
    writer_end_line();
}

/* Prints the blocks of each caller. Returns the number of callers. */
static size_t write_groups(const struct bucket_plan *plan)
{
    size_t callers = 0;
    uint64_t now = in_use_now();
    size_t first = 0;
    while (first < list.count && writer.whole) {
        size_t count = group_count(first);
        write_caller(first, count, now);
        for (size_t i = first; i < first + count && writer.whole; i++) {
            write_slot(&list.slot[i], plan, now);
        }
        first += count;
        callers++;
    }
    return callers;
}

static void write_list(const struct bucket_plan *plan)
{
    int pid = (int)sandbox_process();
    text_add(&writer.text, "sockmalloc %s: in use by ", PACKAGE_VERSION);
    text_add_shown(&writer.text, message_process_name());
    text_add(&writer.text, ", process %d: by caller, the oldest first", pid);
    writer_end_line();
    size_t callers = write_groups(plan);
    if (list.live > list.count) {
        text_add(&writer.text, "not listed, because memory was short: slots %lu, younger than all above",
                 (unsigned long)(list.live - list.count));
        writer_end_line();
    }
    text_add(&writer.text, "end of what is in use by process %d: slots %lu, bytes %lu, callers %zu", pid,
             (unsigned long)list.live, (unsigned long)list.bytes, callers);
    writer_end_line();
}

bool in_use_report_write(const struct bucket_plan *plan, int descriptor)
{
    if (!in_use_is_kept()) {
        return true;
    }
    writer_open(descriptor);
    symbol_begin(&finder);
    in_use_list_make(&list);
    write_list(plan);
    in_use_list_release(&list);
    writer_flush();
    return writer.whole;
}
