/*
 * Writes and reads a recording: a file with samples of the statistics of a server. A sample that cannot be written
 * completely is cut off again where the file allows it. All values that are read are checked.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/recording.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "command/error.h"
#include "command/remote_snapshot.h"

static const char recording_magic[INSPECT_MAGIC_SIZE] = "sockmalloc rec 1";

void recording_begin(struct recording_head *head, const struct snapshot *snapshot, const struct bucket_plan *plan)
{
    memset(head, 0, sizeof *head); /* also clears the padding, because the whole structure is written to the file */
    memcpy(head->magic, recording_magic, INSPECT_MAGIC_SIZE);
    memcpy(head->library, sockmalloc_view.library, INSPECT_LIBRARY_SIZE);
    head->layout = sockmalloc_view.layout;
    head->sample_size = sizeof(struct recording_sample);
    head->process = snapshot->process;
    snprintf(head->program, sizeof head->program, "%s", snapshot->program);
    head->plan = *plan;
    head->options = options;
}

bool recording_append(int file, const void *bytes, size_t size)
{
    off_t before = lseek(file, 0, SEEK_END);
    size_t done = 0;
    while (done < size) {
        ssize_t part = write(file, (const char *)bytes + done, size - done);
        if (part < 0 && errno == EINTR) {
            continue;
        }
        if (part <= 0) {
            int kept = part < 0 ? errno : ENOSPC;
            bool back = before >= 0 && ftruncate(file, before) == 0;
            /* the result does not matter: if the file cannot be cut back, as with a pipe, its reader finds an
             * incomplete sample at the end */
            (void)back;
            errno = kept;
            return false;
        }
        done += (size_t)part;
    }
    return true;
}

enum command_exit recording_open(FILE *file, const char *path, struct recording_head *head)
{
    size_t got = fread(head, 1, sizeof *head, file);
    /*
     * the last byte of the magic is the version of the file's layout; the version of the library follows the magic in
     * every layout, so both versions can be checked in a recording of any layout
     */
    if (got < INSPECT_MAGIC_SIZE || memcmp(head->magic, recording_magic, INSPECT_MAGIC_SIZE - 1) != 0) {
        return error_report(EXIT_DAMAGED, got == 0 ? "%s is empty" : "%s is no recording", path);
    }
    bool is_newer = memcmp(head->magic, recording_magic, INSPECT_MAGIC_SIZE) != 0;
    if (got < sizeof *head && !is_newer) {
        return error_report(EXIT_DAMAGED, "%s is no recording: its beginning is cut", path);
    }
    if (is_newer || memcmp(head->library, sockmalloc_view.library, INSPECT_LIBRARY_SIZE) != 0 ||
        memcmp(&head->layout, &sockmalloc_view.layout, sizeof head->layout) != 0 ||
        head->sample_size != sizeof(struct recording_sample)) {
        return error_report(EXIT_OTHER_VERSION, "%s is of another version of sockmalloc than this command, %s", path,
                            PACKAGE_VERSION);
    }
    head->program[sizeof head->program - 1] = '\0';
    remote_snapshot_mend_plan(&head->plan);
    options = head->options;
    return option_set_makes_sense(&options) ? EXIT_DONE
                                            : error_report(EXIT_DAMAGED, "%s: its content makes no sense", path);
}

enum recording_state recording_next(FILE *file, const struct recording_head *head, struct recording_sample *sample)
{
    uint64_t expected = sample->number;
    bool whole = fread(sample, sizeof *sample, 1, file) == 1 && sample->number == expected;
    sample->number = expected;
    if (!whole) {
        return RECORDING_TRUNCATED;
    }
    if (sample->time == 0) {
        return RECORDING_END;
    }
    sample->snapshot.program = head->program; /* the pointer in the file was valid only in the process that wrote it */
    bool sense = sample->snapshot.buckets <= BUCKET_LIMIT && (unsigned)sample->snapshot.kind < KIND_COUNT;
    sample->number += sense ? 1 : 0;
    return sense ? RECORDING_SAMPLE : RECORDING_TRUNCATED;
}
