/* sockmalloc --version: prints the versions of the command, the library and mimalloc, and with which compiler, flags
 * and optional parts the command and the library were built. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/command_version.h"

#include <dlfcn.h>
#include <mimalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/error.h"
#include "command/library_path.h"
#include "percpu/rseq.h"

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

#ifdef HAVE_SYS_SDT_H
#define PROBES "yes"
#else
#define PROBES "no"
#endif

#ifdef HAVE_NCURSES
#define NCURSES "yes"
#else
#define NCURSES "no"
#endif

#ifdef HAVE_MICROHTTPD
#define MICROHTTPD "yes"
#else
#define MICROHTTPD "no"
#endif

#ifdef HAVE_JANSSON
#define JANSSON "yes"
#else
#define JANSSON "no"
#endif

#ifndef BUILD_FLAGS
#define BUILD_FLAGS "unknown"
#endif

/*
 * Prints the version of mimalloc from its number: 209 is 2.0.9. Since mimalloc 2.3 the number has more digits: 20405 is
 * 2.4.5.
 */
static void print_mimalloc(FILE *stream, int number)
{
    int base = number < 10000 ? 10 : 100;
    fprintf(stream, "%d.%d.%d\n", number / (base * base), number / base % base, number % base);
}

/*
 * Executes this command once more, with the library preloaded and with the argument COMMAND_VERSION_PRELOADED. Only a
 * process into which the library is loaded can tell which mimalloc the dynamic linker finds for the library. The
 * environment has no settings of the library, so that the library writes nothing.
 */
static void execute_preloaded(const char *library)
{
    char *preload = NULL;
    char *path = NULL;
    const char *others = getenv("LD_LIBRARY_PATH");
    if (asprintf(&preload, "LD_PRELOAD=%s", library) >= 0 &&
        asprintf(&path, "LD_LIBRARY_PATH=%s", others != NULL ? others : "") >= 0) {
        execve("/proc/self/exe", (char *[]){"sockmalloc", COMMAND_VERSION_PRELOADED, NULL},
               (char *[]){preload, path, NULL});
    }
    _exit(1);
}

/* Prints the version of the library, and the version of the mimalloc that it runs with. */
static void print_library(const char *library)
{
    printf("library: %s, ", library);
    if (access(library, R_OK) != 0) {
        puts("which is not there");
        return;
    }
    fflush(stdout);
    int status = -1;
    pid_t process = fork();
    if (process == 0) {
        execute_preloaded(library);
    }
    if (process < 0 || waitpid(process, &status, 0) != process || status != 0) {
        puts("which cannot be preloaded");
    }
}

void command_version_print(FILE *stream)
{
    fputs("sockmalloc " PACKAGE_VERSION "\ncompiler: " COMPILER "\ncompiled by: " BUILD_FLAGS "\n", stream);
    fprintf(stream, "restartable sequences (rseq): %s\n", RSEQ_IS_KNOWN != 0 ? "yes" : "no");
    fputs("SystemTap probes: " PROBES "\n", stream);
    fputs("ncurses: " NCURSES "\nlibmicrohttpd: " MICROHTTPD "\njansson: " JANSSON "\nbuilt with mimalloc ", stream);
    print_mimalloc(stream, MI_MALLOC_VERSION);
}

enum command_exit command_version(const char *library)
{
    command_version_print(stdout);
    print_library(library != NULL ? library_path_named(library) : library_path_own());
    return fflush(stdout) == 0 ? EXIT_DONE : error_report(EXIT_UNWRITTEN, "the output could not be written");
}

enum command_exit command_version_preloaded(void)
{
    const char *(*library)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "sockmalloc_version");
    int (*mimalloc)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "mi_version");
    if (library == NULL || mimalloc == NULL) {
        return EXIT_NO;
    }
    printf("version %s, linked with mimalloc ", library());
    print_mimalloc(stdout, mimalloc());
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_UNWRITTEN;
}
