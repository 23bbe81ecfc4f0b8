/* Reads from an ELF file the properties that decide if a library can be preloaded into it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"

/* Finds the first segment of the type. It works for 64-bit files only, because the segments of a 32-bit file are never
 * read. */
static bool elf_file_find_segment(int file, const Elf64_Ehdr *header, uint32_t type, Elf64_Phdr *segment)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        off_t at = (off_t)(header->e_phoff + i * sizeof *segment);
        if (pread(file, segment, sizeof *segment, at) != (ssize_t)sizeof *segment) {
            return false;
        }
        if (segment->p_type == type) {
            return true;
        }
    }
    return false;
}

static void elf_file_read_interpreter(int file, const Elf64_Ehdr *header, struct elf_file *found)
{
    Elf64_Phdr segment;
    found->has_interpreter = elf_file_find_segment(file, header, PT_INTERP, &segment);
    if (found->has_interpreter) {
        size_t room = sizeof found->interpreter - 1; /* the last byte stays zero, so that the path ends with a NUL */
        size_t size = LESSER(segment.p_filesz, room);
        bool read_all = pread(file, found->interpreter, size, (off_t)segment.p_offset) == (ssize_t)size;
        found->interpreter[read_all ? size : 0] = '\0';
    }
}

bool elf_file_read(const char *path, struct elf_file *found)
{
    Elf64_Ehdr header = {0};
    *found = (struct elf_file){0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        return false;
    }
    bool read_any = pread(file, &header, sizeof header, 0) >= 0;
    found->is_elf = memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
    if (found->is_elf) {
        found->is_64_bit = header.e_ident[EI_CLASS] == ELFCLASS64;
        found->machine = header.e_machine;
        if (found->is_64_bit) {
            elf_file_read_interpreter(file, &header, found);
        }
    }
    close(file);
    return read_any;
}
