/* Names the functions and the source lines of addresses in another process, by libdw. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/caller_name.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/maps.h"

static Dwfl *modules;
static int opened; /* the id of the process that caller_name_open has opened */

/* Returns the inode of the file that the opened process has mapped at an address, or 0 if no file is mapped there. */
static unsigned long mapped_inode(uintptr_t address)
{
    struct maps_row row;
    unsigned long inode = 0;
    FILE *maps = maps_open(opened);
    while (maps != NULL && inode == 0 && maps_next(maps, &row)) {
        inode = address >= row.start && address < row.end ? row.inode : 0;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return inode;
}

/* Returns true if only root or the user of this command can have written the file. */
static bool is_trusted(const struct stat *status)
{
    return S_ISREG(status->st_mode) && (status->st_uid == 0 || status->st_uid == geteuid()) &&
           (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/*
 * Opens the file of a module, which is the program or a library, by the path that the process sees. Returns a
 * descriptor and stores the path in *path. Returns -1 if there is no such file, or if it must not be read. libdw calls
 * this function.
 */
static int find_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base, char **path, Elf **elf)
{
    char there[PATH_MAX];
    struct stat status;
    (void)module;
    (void)data;
    (void)elf;
    if (name[0] != '/' || snprintf(there, sizeof there, "/proc/%d/root%s", opened, name) >= (int)sizeof there) {
        return -1;
    }
    int file = open(there, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0 && (fstat(file, &status) != 0 || !is_trusted(&status) || status.st_ino != mapped_inode(base))) {
        close(file);
        file = -1;
    }
    *path = file >= 0 ? strdup(there) : NULL;
    return file;
}

bool caller_name_open(int process)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = find_file, .find_debuginfo = dwfl_standard_find_debuginfo};
    unsetenv("DEBUGINFOD_URLS"); /* without this variable libdw fetches no debugging information from the network */
    opened = process;
    modules = dwfl_begin(&callbacks);
    if (modules == NULL) {
        return false;
    }
    dwfl_report_begin(modules);
    bool is_read = dwfl_linux_proc_report(modules, process) == 0;
    return dwfl_report_end(modules, NULL, NULL) == 0 && is_read;
}

void caller_name_close(void)
{
    dwfl_end(modules);
    modules = NULL;
}

/*
 * Returns the source line of an address, or NULL. Finds the compilation unit by the ranges that the unit itself lists.
 * dwfl_module_getsrc is not used, because it reads the section .debug_aranges, which clang does not write.
 */
static Dwarf_Line *find_line(Dwfl_Module *module, uintptr_t address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = NULL;
    while ((unit = dwfl_module_nextcu(module, unit, &bias)) != NULL) {
        if (dwarf_haspc(unit, address - bias) > 0) {
            return dwarf_getsrc_die(unit, address - bias);
        }
    }
    return NULL;
}

/* Adds the source line of an address, if there is debugging information. */
static void add_line(Dwfl_Module *module, uintptr_t address, struct text *text)
{
    int number = 0;
    Dwarf_Line *line = find_line(module, address);
    const char *file = line != NULL ? dwarf_linesrc(line, NULL, NULL) : NULL;
    if (file != NULL && dwarf_lineno(line, &number) == 0) {
        text_add(text, " at ");
        text_add_shown(text, file);
        text_add(text, ":%d", number);
    }
}

void caller_name_add(uintptr_t address, struct text *text)
{
    GElf_Off offset = 0;
    GElf_Sym symbol;
    Dwarf_Addr start = 0;
    /*
     * If the called function never returns, the call may be the last instruction of the caller, and the return address
     * is then in the next function. The byte before the return address always belongs to the call.
     */
    uintptr_t call = address - 1;
    Dwfl_Module *module = modules != NULL ? dwfl_addrmodule(modules, call) : NULL;
    if (module == NULL) {
        text_add(text, "0x%zx", (size_t)address);
        return;
    }
    const char *object = dwfl_module_info(module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
    const char *function = dwfl_module_addrinfo(module, call, &offset, &symbol, NULL, NULL, NULL);
    const char *name = strrchr(object, '/') != NULL ? strrchr(object, '/') + 1 : object;
    text_add_shown(text, function != NULL ? function : name);
    text_add(text, "+0x%zx", (size_t)(function != NULL ? offset + 1 : address - start));
    add_line(module, call, text);
}
