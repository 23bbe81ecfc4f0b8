/* Checks if the library can be preloaded into a program, before the program is started. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/preload_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/elf_file.h"
#include "command/error.h"

enum { SCRIPT_LINE = 256, SCRIPTS_MAX = 5 };

enum command_exit preload_check_judge_library(const char *library)
{
    struct elf_file file;
    if (library[0] != '/' || strpbrk(library, " \t\n:") != NULL) {
        return error_report(EXIT_REFUSED,
                            "LD_PRELOAD can't name the library %s: it needs an absolute "
                            "path without blanks and colons",
                            library);
    }
    if (!elf_file_read(library, &file)) {
        return error_report(EXIT_REFUSED, "the library %s can't be read: %s", library, strerror(errno));
    }
    if (!file.is_elf || !file.is_64_bit) {
        return error_report(EXIT_REFUSED, "the library %s is no 64-bit shared object", library);
    }
    return EXIT_DONE;
}

static bool preload_check_is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Finds the file that execvp would execute. Returns false, with errno set, if there is none. */
static bool preload_check_find(const char *name, char path[PATH_MAX])
{
    const char *places = getenv("PATH");
    bool denied = false;
    if (strchr(name, '/') != NULL || places == NULL) {
        bool whole = snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
        errno = whole ? errno : ENAMETOOLONG;
        return whole && access(path, X_OK) == 0;
    }
    while (*places != '\0') {
        int length = (int)strcspn(places, ":");
        int size = snprintf(path, PATH_MAX, "%.*s/%s", length, length > 0 ? places : ".", name);
        if (size < PATH_MAX && preload_check_is_file(path)) {
            if (access(path, X_OK) == 0) {
                return true;
            }
            denied = true;
        }
        places += length;
        places += *places == ':' ? 1 : 0;
    }
    errno = denied ? EACCES : ENOENT;
    return false;
}

/*
 * Returns true unless the file lies on a file system that is mounted with nosuid, where the kernel ignores the setuid
 * bit and file capabilities.
 */
static bool preload_check_gives_privileges(const char *path)
{
    struct statvfs mount;
    return statvfs(path, &mount) != 0 || (mount.f_flag & ST_NOSUID) == 0;
}

/*
 * Returns how a file gives privileges to this user, or NULL if it does not. By the rules of the kernel, a setuid file
 * gives nothing to its owner, a setgid file gives nothing to a user whose real group is the file's group, and file
 * capabilities give nothing to real user 0.
 */
static const char *preload_check_privilege(const char *path, const struct stat *status)
{
    if ((status->st_mode & S_ISUID) != 0 && status->st_uid != getuid()) {
        return "is setuid";
    }
    if ((status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status->st_gid != getgid()) {
        return "is setgid";
    }
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        return "has file capabilities";
    }
    return NULL;
}

/*
 * Returns true if the program uses musl as its C library, and this command and the library were built with glibc.
 * musl's dynamic linker cannot load a library that was built with glibc, because such a library needs glibc's
 * libc.so.6.
 */
static bool preload_check_is_of_another_libc(const struct elf_file *file)
{
#ifdef __GLIBC__
    const char *name = strrchr(file->interpreter, '/');
    return name != NULL && strncmp(name, "/ld-musl", strlen("/ld-musl")) == 0;
#else
    (void)file;
    return false;
#endif
}

static enum command_exit preload_check_judge_elf(const char *path, const struct elf_file *file, const char *library)
{
    struct elf_file preloaded;
    struct stat status;
    if (!file->is_64_bit) {
        return error_report(EXIT_REFUSED, "%s is a 32-bit program, and the library is a 64-bit one", path);
    }
    if (elf_file_read(library, &preloaded) && preloaded.machine != file->machine) {
        return error_report(EXIT_REFUSED, "%s is for another machine than the library", path);
    }
    if (!file->has_interpreter) {
        return error_report(EXIT_REFUSED, "%s is a static program, and no library can be preloaded onto it", path);
    }
    if (preload_check_is_of_another_libc(file)) {
        return error_report(EXIT_REFUSED,
                            "%s is a program of musl's libc, whose dynamic linker can't load a library "
                            "that was built with glibc",
                            path);
    }
    const char *privilege = stat(path, &status) == 0 ? preload_check_privilege(path, &status) : NULL;
    if (privilege != NULL && preload_check_gives_privileges(path)) {
        return error_report(EXIT_REFUSED, "%s %s: the dynamic linker ignores LD_PRELOAD for such a program", path,
                            privilege);
    }
    return EXIT_DONE;
}

/* Returns the next word of the first line of a script, or NULL at its end. Moves *line to the text after the word. */
static char *preload_check_next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    char *end = word + strcspn(word, " \t\n");
    *line = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return *word != '\0' ? word : NULL;
}

/*
 * Returns the program that the command env executes. `line` has the arguments of env. The program is the first argument
 * that is neither an option nor an assignment.
 */
static char *preload_check_behind_env(char **line)
{
    char *word = preload_check_next_word(line);
    while (word != NULL && (word[0] == '-' || strchr(word, '=') != NULL)) {
        word = preload_check_next_word(line);
    }
    return word;
}

/* Returns the program that runs a script. `line` is the first line of the script, without its "#!". */
static const char *preload_check_interpreter(char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *interpreter = preload_check_next_word(&line);
    const char *name = interpreter != NULL ? strrchr(interpreter, '/') : NULL;
    char *behind = name != NULL && strcmp(name, "/env") == 0 ? preload_check_behind_env(&line) : NULL;
    return behind != NULL ? behind : interpreter;
}

static void preload_check_read_line(const char *path, char line[SCRIPT_LINE])
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = file >= 0 ? read(file, line, SCRIPT_LINE - 1) : 0;
    line[GREATER(length, 0)] = '\0';
    if (file >= 0) {
        close(file);
    }
}

static enum command_exit preload_check_report(const char *name, int error)
{
    enum command_exit code = error == ENOENT || error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    return error_report(code, "%s can't be executed: %s", name, strerror(error));
}

enum command_exit preload_check_judge(const char *name, const char *library)
{
    char path[PATH_MAX];
    char line[SCRIPT_LINE];
    for (int scripts = 0; scripts < SCRIPTS_MAX; scripts++) {
        struct elf_file file;
        if (!preload_check_find(name, path)) {
            return preload_check_report(name, errno);
        }
        if (!preload_check_is_file(path)) {
            return preload_check_report(name, EACCES);
        }
        if (!elf_file_read(path, &file)) {
            return EXIT_DONE; /* the user may execute the file but not read it, so nothing more can be checked */
        }
        if (file.is_elf) {
            return preload_check_judge_elf(path, &file, library);
        }
        preload_check_read_line(path, line);
        /* execvp runs a file by /bin/sh if it is neither ELF nor a script that names an interpreter */
        name = strncmp(line, "#!", 2) == 0 ? preload_check_interpreter(line + 2) : "/bin/sh";
        if (name == NULL) {
            return preload_check_report(path, ENOEXEC);
        }
    }
    return preload_check_report(path, ELOOP);
}
