/* The rows of the command: its subcommands, their options, and its exit codes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMMAND_ROWS_H
#define SOCKMALLOC_COMMAND_ROWS_H

/*
 * The parser, --help, the man page and the completions come from these rows. `run` and `check` also have an option for
 * each setting of OPTION_ROWS: --min for SOCKMALLOC_MIN.
 */

/* Columns: name, arguments (one way to call it per line), help. */
#define COMMAND_ROWS(ROW)                                                                                              \
    ROW(run, "[--] COMMAND [ARGUMENT...]", "starts a program with the library in front of malloc")                     \
    ROW(check, "PID\n[--] COMMAND [ARGUMENT...]",                                                                      \
        "says whether the library is in effect, and how much it serves; of a COMMAND at its end")                      \
    ROW(stat, "PID", "prints a live process's statistics, read from outside")                                          \
    ROW(record, "PID -o FILE\n--show FILE",                                                                            \
        "samples a live process's statistics into a file, or shows what is in one")                                    \
    ROW(top, "[PID...]", "shows all processes that carry the library, live and full-screen")

/* Columns: subcommand, name, letter or 0, argument or NULL, help. */
#define COMMAND_OPTION_ROWS(ROW)                                                                                       \
    ROW(run, "library", 'L', "FILE", "the library, in place of the installed one")                                     \
    ROW(check, "library", 'L', "FILE", "the library, in place of the installed one")                                   \
    ROW(stat, "json", 'j', NULL, "as JSON, one object a line")                                                         \
    ROW(stat, "prometheus", 'p', NULL, "in the text format of Prometheus")                                             \
    ROW(stat, "interval", 'i', "SECONDS", "again and again, so many seconds apart")                                    \
    ROW(stat, "signal", 's', NULL,                                                                                     \
        "has the process write them itself, by its signal, which its own handler does not see")                        \
    ROW(record, "output", 'o', "FILE", "the file, which must not be there yet")                                        \
    ROW(record, "interval", 'i', "SECONDS", "from one sample to the next; 1 if not said")                              \
    ROW(record, "count", 'n', "COUNT", "samples; if not said, to the end of the process, or ours")                     \
    ROW(record, "show", 'S', "FILE", "prints a recording")                                                             \
    ROW(record, "json", 'j', NULL, "prints it as JSON, one object a line")                                             \
    ROW(top, "interval", 'i', "SECONDS", "from one look to the next; 1 if not said")

/* Columns: name, exit code, meaning. */
#define COMMAND_EXIT_ROWS(ROW)                                                                                         \
    ROW(DONE, 0, "it is done; of check: the library is in effect")                                                     \
    ROW(NO, 1, "of check: the library is not in effect")                                                               \
    ROW(USAGE, 2, "the command line is not understood")                                                                \
    ROW(GONE, 3, "there is no such process, or it has ended meanwhile")                                                \
    ROW(FORBIDDEN, 4, "the process may not be read, or not be signalled")                                              \
    ROW(WITHOUT, 5, "the process does not carry the library, or is not through with its start")                        \
    ROW(OTHER_VERSION, 6, "the process carries another version of the library")                                        \
    ROW(DAMAGED, 7,                                                                                                    \
        "a recording is truncated or none, or a process's memory makes no sense or can't be read "                     \
        "in "                                                                                                          \
        "good time")                                                                                                   \
    ROW(UNWRITTEN, 8, "the output could not be written")                                                               \
    ROW(NO_TERMINAL, 9, "of top: there is no terminal, or it was built without ncurses")                               \
    ROW(REFUSED, 125, "of run and check: the library can't take effect there; nothing was started")                    \
    ROW(NOT_EXECUTABLE, 126, "of run and check: the program can't be executed")                                        \
    ROW(NOT_FOUND, 127, "of run and check: there is no such program")

enum command_exit {
#define COMMAND_EXIT(name, code, when) EXIT_##name = (code),
    COMMAND_EXIT_ROWS(COMMAND_EXIT)
#undef COMMAND_EXIT
};

#endif
