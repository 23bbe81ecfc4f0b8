/* Reads those properties of an ELF file that decide if a library can be preloaded onto a program. The file is the
 * program or the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ELF_FILE_H
#define SOCKMALLOC_ELF_FILE_H

#include <stdbool.h>

struct elf_file {
    bool is_elf;
    bool is_64_bit;
    bool has_interpreter; /* true if the file has PT_INTERP: a dynamic linker starts the program */
    char interpreter[64]; /* the path of the dynamic linker, cut if it is longer than the array */
    unsigned machine;
};

/*
 * Reads the ELF header of a file. Returns false, with errno set, if the file cannot be read. Sets is_elf to false if
 * the file is no ELF file.
 */
bool elf_file_read(const char *path, struct elf_file *file);

#endif
