/* Finds the file that is mapped at an address, by /proc/self/maps. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/mapping.h"

#include <fcntl.h>
#include <stddef.h>

#include "os/os_file.h"

/*
 * The state of reading /proc/self/maps. The file is read character by character, because a path may be longer than any
 * buffer here.
 */
struct reader {
    int file;
    size_t at;
    size_t length;
    char last; /* the character that reader_next returned last */
    char buffer[512];
};

/* A line of /proc/self/maps, which has the form START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH. */
struct line {
    uintptr_t start;
    uintptr_t end;
    uint64_t offset;
    uint64_t major;
    uint64_t minor;
    uint64_t inode;
    bool has_file;
    char name[MAPPING_NAME_SIZE];
};

static bool reader_fill(struct reader *reader)
{
    ssize_t length = os_read(reader->file, reader->buffer, sizeof reader->buffer);
    reader->at = 0;
    reader->length = length > 0 ? (size_t)length : 0;
    return length > 0;
}

/* Returns the next character of the file, or NUL at the end of the file. */
static char reader_next(struct reader *reader)
{
    bool more = reader->at < reader->length || reader_fill(reader);
    reader->last = more ? reader->buffer[reader->at++] : '\0';
    return reader->last;
}

/* Reads a number, and the character after it. Returns the number. */
static uint64_t reader_number(struct reader *reader, unsigned base)
{
    uint64_t number = 0;
    for (;;) {
        char next = reader_next(reader);
        if (next >= '0' && next <= '9') {
            number = number * base + (uint64_t)(next - '0');
        } else if (base == 16 && next >= 'a' && next <= 'f') {
            number = number * base + (uint64_t)(next - 'a' + 10);
        } else {
            return number;
        }
    }
}

static void reader_skip_word(struct reader *reader)
{
    char next;
    do {
        next = reader_next(reader);
    } while (next != ' ' && next != '\0');
}

/* Reads the rest of a line, which is the path of a file if one is mapped. Stores the last part of the path. */
static void reader_name(struct reader *reader, struct line *line)
{
    size_t used = 0;
    while (reader->last == ' ') {
        reader_next(reader);
    }
    line->has_file = reader->last == '/';
    for (; reader->last != '\n' && reader->last != '\0'; reader_next(reader)) {
        if (reader->last == '/') {
            used = 0;
        } else if (used < MAPPING_NAME_SIZE - 1) {
            line->name[used++] = reader->last;
        }
    }
    line->name[used] = '\0';
}

/* Reads a line. Returns false at the end of the file. */
static bool reader_line(struct reader *reader, struct line *line)
{
    line->start = reader_number(reader, 16);
    line->end = reader_number(reader, 16);
    reader_skip_word(reader);
    line->offset = reader_number(reader, 16);
    line->major = reader_number(reader, 16);
    line->minor = reader_number(reader, 16);
    line->inode = reader_number(reader, 10);
    reader_name(reader, line);
    return line->end != 0;
}

/*
 * Returns true if a line describes a further segment of the object that the line `former` belongs to. The segments of
 * an object are consecutive lines of one file whose offsets rise or stay equal. If an offset falls, the file was mapped
 * a second time.
 */
static bool line_continues(const struct line *line, const struct line *former)
{
    return former->has_file && line->inode == former->inode && line->minor == former->minor &&
           line->major == former->major && line->offset >= former->offset;
}

static bool reader_find(struct reader *reader, uintptr_t address, struct mapping *mapping)
{
    struct line line;
    struct line former = {.has_file = false}; /* the last line so far that describes the mapping of a file */
    while (reader_line(reader, &line)) {
        if (line.has_file) {
            if (!line_continues(&line, &former)) {
                mapping->start = line.start - line.offset;
            }
            former = line;
        }
        if (address - line.start < line.end - line.start) {
            __builtin_memcpy(mapping->name, line.name, sizeof line.name);
            return line.has_file;
        }
    }
    return false;
}

bool mapping_find(uintptr_t address, struct mapping *mapping)
{
    struct reader reader = {.file = os_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0)};
    bool found = reader.file >= 0 && reader_find(&reader, address, mapping);
    if (reader.file >= 0) {
        os_close(reader.file);
    }
    return found;
}
