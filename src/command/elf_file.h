/* What an ELF file says of itself that decides whether a library can be preloaded to it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ELF_FILE_H
#define SOCKMALLOC_ELF_FILE_H

#include <stdbool.h>

struct elf_file {
    bool is_elf;
    bool is_64_bit;
    bool has_interpreter; /* PT_INTERP: a dynamic linker starts it */
    char interpreter[64]; /* its path, cut where it is longer */
    unsigned machine;
};

/* Reads it. False, with errno set, if the file can't be read; what is no ELF file is none. */
bool elf_file_read(const char *path, struct elf_file *file);

#endif
