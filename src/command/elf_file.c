/* Reads those properties of an ELF file that decide if a library can be preloaded onto a program. The file is the
 * program or the library. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"

/*
 * Reads the path of the dynamic linker. An ELF file has that path in a segment if a dynamic linker starts the program.
 */
static void elf_file_read_interpreter(Elf *elf, struct elf_file *found)
{
    size_t count = 0;
    GElf_Phdr segment = {0};
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count && !found->has_interpreter; i++) {
        found->has_interpreter = gelf_getphdr(elf, (int)i, &segment) != NULL && segment.p_type == PT_INTERP;
    }
    if (found->has_interpreter) {
        size_t room = sizeof found->interpreter - 1; /* the last byte stays zero, because the path must end with NUL */
        size_t size = LESSER(segment.p_filesz, room);
        const Elf_Data *path = elf_getdata_rawchunk(elf, (int64_t)segment.p_offset, size, ELF_T_BYTE);
        memcpy(found->interpreter, path != NULL ? path->d_buf : "", path != NULL ? size : 1);
    }
}

bool elf_file_read(const char *path, struct elf_file *found)
{
    GElf_Ehdr header;
    *found = (struct elf_file){0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char first;
    if (file < 0) {
        return false;
    }
    bool is_read = pread(file, &first, 1, 0) >= 0;
    elf_version(EV_CURRENT);
    Elf *elf = is_read ? elf_begin(file, ELF_C_READ, NULL) : NULL;
    if (elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) != NULL) {
        found->is_elf = true;
        found->is_64_bit = gelf_getclass(elf) == ELFCLASS64;
        found->machine = header.e_machine;
        elf_file_read_interpreter(elf, found);
    }
    elf_end(elf);
    close(file);
    return is_read;
}
