/* Prints what `sockmalloc exporter` has read, in the text format of Prometheus. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_print.h"

#include <stdlib.h>

#include "command/pool_format.h"
#include "statistics/format_prometheus.h"

enum { PAGE_SIZE_FIRST = 64 << 10, PAGE_SIZE_LAST = 256 << 20 };

/* The page of metrics while it is being made. It has one entry for each process, or one for each program. */
struct exporter_page {
    unsigned count;
    /* number of used entries of `subject`, which has only the processes or programs with statistics */
    unsigned subjects;
    struct prometheus_subject *subject;
    struct pool_subject *pools;
    const struct exporter_figures **figures;
    char (*labels)[PROMETHEUS_LABELS_SIZE];
};

static void exporter_page_free(struct exporter_page *page)
{
    free(page->subject);
    free(page->pools);
    free(page->figures);
    free(page->labels);
}

/* Allocates arrays for `count` entries. Returns false if there is no memory. */
static bool exporter_page_make(struct exporter_page *page, unsigned count)
{
    size_t room = count + 1;
    *page = (struct exporter_page){.subject = calloc(room, sizeof *page->subject),
                                   .pools = calloc(room, sizeof *page->pools),
                                   .figures = calloc(room, sizeof(void *)),
                                   .labels = calloc(room, sizeof *page->labels)};
    return page->subject != NULL && page->pools != NULL && page->figures != NULL && page->labels != NULL;
}

/* Begins the labels of the next entry with the name of the program. The caller may append labels to the result. */
static struct text exporter_page_label(struct exporter_page *page, const char *program)
{
    struct text text = text_begin(page->labels[page->count], PROMETHEUS_LABELS_SIZE);
    text_add(&text, "program=\"");
    prometheus_print_value(program, &text);
    text_add(&text, "\"");
    return text;
}

/* Adds the next entry to the page. The caller must have made the labels of the entry before, by exporter_page_label. */
static void exporter_page_add(struct exporter_page *page, const struct exporter_figures *figures)
{
    unsigned at = page->count++;
    const struct process_sum *statistics = &figures->statistics;
    page->figures[at] = figures;
    page->pools[at] = (struct pool_subject){&figures->pools, page->labels[at]};
    if (!figures->has_statistics) {
        return;
    }
    page->subject[page->subjects++] =
        (struct prometheus_subject){&statistics->snapshot, &statistics->plan, page->labels[at],
                                    statistics->options.number[OPTION_SAMPLE_SMALL] != 0};
}

static void exporter_page_fill(struct exporter_page *page, const struct exporter *exporter, bool each)
{
    for (const struct exporter_process *process = exporter->process; each && process != NULL; process = process->next) {
        struct text labels = exporter_page_label(page, process->name);
        text_add(&labels, ",pid=\"%d\",worker=\"%u\"", process->process, process->worker);
        exporter_page_add(page, &process->figures);
    }
    for (const struct exporter_program *program = exporter->program; !each && program != NULL;
         program = program->next) {
        exporter_page_label(page, program->name);
        exporter_page_add(page, &program->sum);
    }
}

static unsigned exporter_count(const struct exporter *exporter)
{
    unsigned count = 0;
    for (const struct exporter_process *process = exporter->process; process != NULL; process = process->next) {
        count++;
    }
    return count;
}

/* Prints the resident memory of the processes, and the part of it that is mimalloc's. */
static void exporter_print_memory(const struct exporter_page *page, struct text *text)
{
    static const char *const helps[] = {
        "resident bytes of the processes, as the kernel counts them",
        "resident bytes of mimalloc, which serves what the pools do not; 0 where they cannot be told apart"};
    static const char *const names[] = {"sockmalloc_rss_bytes", "sockmalloc_small_bytes"};
    for (unsigned row = 0; row < 2 && page->count > 0; row++) {
        prometheus_print_head(names[row], "gauge", helps[row], text);
        for (unsigned i = 0; i < page->count; i++) {
            const struct remote_memory *memory = &page->figures[i]->memory;
            if (page->figures[i]->memory_is_known) {
                text_add(text, "%s{%s} %lu\n", names[row], page->labels[i],
                         (unsigned long)(row == 0 ? memory->resident : memory->small));
            }
        }
    }
}

/* Prints the metrics of the exporter itself. */
static void exporter_print_own(const struct exporter *exporter, struct text *text)
{
    static const char *const labels[EXPORTER_REASONS] = {
#define EXPORTER_LABEL(name, label, meaning) [EXPORTER_##name] = label,
        EXPORTER_REASON_ROWS(EXPORTER_LABEL)
#undef EXPORTER_LABEL
    };
    prometheus_print_head("sockmalloc_exporter_info", "gauge", "the exporter's version", text);
    text_add(text, "sockmalloc_exporter_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
    prometheus_print_head("sockmalloc_exporter_processes", "gauge", "processes that were read", text);
    text_add(text, "sockmalloc_exporter_processes %u\n", exporter_count(exporter));
    prometheus_print_head("sockmalloc_exporter_unreadable_processes", "gauge",
                          "processes that were left out because they could not be read", text);
    for (unsigned reason = 0; reason < EXPORTER_REASONS; reason++) {
        text_add(text, "sockmalloc_exporter_unreadable_processes{reason=\"%s\"} %u\n", labels[reason],
                 exporter->unreadable[reason]);
    }
    prometheus_print_head("sockmalloc_exporter_read_seconds", "gauge", "how long reading all processes took", text);
    text_add(text, "sockmalloc_exporter_read_seconds %lu.%lu%lu%lu\n", (unsigned long)exporter->seconds,
             (unsigned long)(exporter->seconds * 10) % 10, (unsigned long)(exporter->seconds * 100) % 10,
             (unsigned long)(exporter->seconds * 1000) % 10);
}

static void exporter_print_page(const struct exporter *exporter, const struct exporter_page *page,
                                const struct exporter_wish *wish, struct text *text)
{
    enum prometheus_detail detail = wish->wide ? PROMETHEUS_WIDE : PROMETHEUS_SHORT;
    exporter_print_own(exporter, text);
    prometheus_print(page->subject, page->subjects, detail, text);
    exporter_print_memory(page, text);
    pool_format_prometheus(page->pools, page->count, detail, text);
}

/* Prints the page into a buffer that is made longer until the page fits. Returns NULL if there is no memory, or if the
 * page is longer than PAGE_SIZE_LAST. */
static char *exporter_print_whole(const struct exporter *exporter, const struct exporter_page *page,
                                  const struct exporter_wish *wish, size_t *size)
{
    for (size_t room = PAGE_SIZE_FIRST; room <= PAGE_SIZE_LAST; room *= 2) {
        char *buffer = malloc(room);
        if (buffer == NULL) {
            return NULL;
        }
        struct text text = text_begin(buffer, room);
        exporter_print_page(exporter, page, wish, &text);
        if (!text.cut) {
            *size = text.used;
            return buffer;
        }
        free(buffer);
    }
    return NULL;
}

char *exporter_print(const struct exporter *exporter, const struct exporter_wish *wish, size_t *size)
{
    struct exporter_page page;
    char *whole = NULL;
    if (exporter_page_make(&page, exporter_count(exporter))) {
        exporter_page_fill(&page, exporter, wish->each);
        whole = exporter_print_whole(exporter, &page, wish, size);
    }
    exporter_page_free(&page);
    return whole;
}
