/* Lists the subcommands, their options and the exit codes: one row for each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_COMMAND_ROWS_H
#define SOCKMALLOC_COMMAND_ROWS_H

/*
 * The parser, --help, the man page and the completions come from these rows. The subcommands `run` and `check` also
 * have an option for each setting of OPTION_ROWS, such as --min for SOCKMALLOC_MIN.
 */

/*
 * PROCESS is a process id, a program's name or a unit of systemd. It stands for a whole server: the processes that have
 * this id or name, with all of their descendants, or all processes in the control group of the unit.
 */

/*
 * Columns of each row: name of the subcommand, arguments (each way to call the subcommand on a line of its own), help.
 */
#define COMMAND_ROWS(ROW)                                                                                              \
    ROW(run, "[--] COMMAND [ARGUMENT...]", "starts a program with the library preloaded")                              \
    ROW(check, "PROCESS\n[--] COMMAND [ARGUMENT...]",                                                                  \
        "says if the library is in effect in a process, or in a COMMAND at its end, and how much it serves")           \
    ROW(compare, "[--] COMMAND [ARGUMENT...]",                                                                         \
        "starts a server under glibc, other allocators and sockmalloc by turns, loads it, and compares speed and "     \
        "memory")                                                                                                      \
    ROW(list, "[PROCESS...]", "lists the processes that have loaded the library")                                      \
    ROW(stat, "[PROCESS...]", "prints the statistics of live processes, read from outside")                            \
    ROW(record, "PROCESS -o FILE\n--show FILE",                                                                        \
        "writes samples of the statistics of live processes to a file, or prints such a file")                         \
    ROW(report, "FILE...",                                                                                             \
        "draws recordings, or statistics in the format JSON, as one page of HTML that needs no network")               \
    ROW(top, "[PROCESS...]", "shows all processes that have loaded the library, live on the full screen")              \
    ROW(exporter, "[PROCESS...]",                                                                                      \
        "serves the statistics of all processes that have loaded the library to Prometheus, summed up by program")     \
    ROW(leaks, "PROCESS...", "lists the callers that hold slots of a live process, which SOCKMALLOC_IN_USE=1 notes")   \
    ROW(bugreport, "PROCESS [-o FILE]",                                                                                \
        "writes what a report of a fault should have to a file: versions, settings, statistics, mappings, limits")     \
    ROW(advise, "PROCESS...\nFILE",                                                                                    \
        "says if the pools are worth while in a server, and which settings would save how much memory; FILE is a "     \
        "recording, or statistics in JSON")                                                                            \
    ROW(set, "PROCESS... NAME=VALUE...",                                                                               \
        "changes settings of processes that were started with SOCKMALLOC_CONTROL=1, while they run")                   \
    ROW(systemd, "UNIT", "prints the file that puts the library in front of a unit of systemd, such as nginx.service")

/*
 * Columns of each row: subcommand, name of the option, its letter or 0, its argument or NULL, help. An argument that
 * begins with a question mark may be left out.
 */
#define COMMAND_OPTION_ROWS(ROW)                                                                                       \
    ROW(run, "library", 'L', "FILE", "uses this library instead of the command's own")                                 \
    ROW(check, "library", 'L', "FILE", "uses this library instead of the command's own")                               \
    ROW(check, "sample", 'S', "?TIME",                                                                                 \
        "watches requests of all sizes for a time, by default 10s, to say the share of the pools in all of them")      \
    ROW(compare, "load", 'l', "COMMAND", "loads the server by this command of the shell instead of the built-in load") \
    ROW(compare, "seconds", 's', "SECONDS", "how long the requests of the built-in load are sent; default 5")          \
    ROW(compare, "rounds", 'r', "COUNT", "how many turns each allocator has; default 3")                               \
    ROW(compare, "port", 'p', "PORT", "TCP port of the server; by default the port on which its processes listen")     \
    ROW(compare, "path", 'u', "PATH", "what the requests of the built-in load get by HTTP; default /")                 \
    ROW(compare, "slow-path", 'w', "PATH", "what the slow clients get by HTTP; by default the path of --path")         \
    ROW(compare, "connections", 'c', "COUNT", "number of connections of the built-in load; default 32")                \
    ROW(compare, "clients", 'C', "COUNT", "number of slow clients of the built-in load; default 300")                  \
    ROW(compare, "after", 'a', "SECONDS,SECONDS", "when memory is compared after the burst; default 1,10")             \
    ROW(compare, "only", 'o', "NAMES", "compares with these allocators only, such as glibc,jemalloc")                  \
    ROW(compare, "peer", 'P', "NAME=LIBRARY", "compares with this allocator, too")                                     \
    ROW(compare, "library", 'L', "FILE", "uses this library of sockmalloc instead of the command's own")               \
    ROW(compare, "html", 'H', "FILE", "draws the comparison as a page of HTML, too")                                   \
    ROW(compare, "json", 'j', NULL, "prints the comparison as one object of JSON")                                     \
    ROW(list, "json", 'j', NULL, "prints one JSON object per process, each on a line")                                 \
    ROW(list, "words", 'w', NULL, "prints only the words that name these processes, for completion in a shell")        \
    ROW(stat, "each", 'e', NULL, "prints the statistics of each process, and not their sum")                           \
    ROW(stat, "json", 'j', NULL, "prints the statistics as JSON, one object per line")                                 \
    ROW(stat, "prometheus", 'p', NULL,                                                                                 \
        "prints the statistics in the text format of Prometheus, with --wide all figures by bucket")                   \
    ROW(stat, "wide", 'w', NULL, "prints all columns, in lines of more than 80 columns, and the settings")             \
    ROW(stat, "interval", 'i', "TIME",                                                                                 \
        "prints a line with rates at each interval, such as 1s; with --wide or a format, prints that anew")            \
    ROW(stat, "signal", 's', NULL, "sends each process the signal that makes it write its statistics itself")          \
    ROW(stat, "sample", 'S', "?TIME",                                                                                  \
        "watches requests of all sizes for a time, by default 10s, to say the share of the pools in all of them")      \
    ROW(record, "output", 'o', "FILE", "file to write to, which must not exist yet")                                   \
    ROW(record, "interval", 'i', "TIME", "time between two samples, such as 250ms; default 1s")                        \
    ROW(record, "count", 'n', "COUNT",                                                                                 \
        "number of samples; by default samples are taken until the process or the command ends")                       \
    ROW(record, "timeline", 't', NULL, "prints a line for each sample of --show, with rates")                          \
    ROW(record, "csv", 'c', NULL, "prints the samples of --show as CSV, with times by ISO 8601")                       \
    ROW(record, "show", 'S', "FILE", "prints the samples of a file")                                                   \
    ROW(record, "json", 'j', NULL, "prints the samples as JSON, one object per line")                                  \
    ROW(report, "output", 'o', "FILE", "file to write the page to; by default it is written to stdout")                \
    ROW(top, "batch", 'b', NULL, "prints lines, after each interval, instead of a screen")                             \
    ROW(top, "count", 'n', "COUNT", "ends after this number of updates")                                               \
    ROW(top, "interval", 'i', "TIME", "time between two updates, such as 250ms; default 1s")                           \
    ROW(exporter, "listen", 'l', "HOST:PORT",                                                                          \
        "answers on this address; default 127.0.0.1:9500, unless --unix or --textfile is given")                       \
    ROW(exporter, "unix", 'u', "PATH", "answers on a UNIX socket at this path, which is removed at the end")           \
    ROW(exporter, "textfile", 't', "DIRECTORY",                                                                        \
        "writes DIRECTORY/sockmalloc.prom again and again, for the node exporter, and removes it at the end")          \
    ROW(exporter, "interval", 'i', "TIME", "time between two files of --textfile; default 15s")                        \
    ROW(exporter, "mode", 'm', "MODE",                                                                                 \
        "mode of the file of --textfile, default 0644, and of the socket of --unix, default 0660")                     \
    ROW(exporter, "owner", 'o', "USER[:GROUP]", "owner of the file of --textfile and of the socket of --unix")         \
    ROW(exporter, "each", 'e', NULL, "has series of each process, with the labels pid and worker, in place of sums")   \
    ROW(exporter, "wide", 'w', NULL, "has all figures by bucket, and the histogram of request sizes")                  \
    ROW(leaks, "json", 'j', NULL, "prints one JSON object per caller, each on a line, with its age in nanoseconds")    \
    ROW(bugreport, "output", 'o', "FILE",                                                                              \
        "file to write to, which must not exist yet; default sockmalloc-bugreport-PROCESS.txt")                        \
    ROW(bugreport, "with-arguments", 'a', NULL, "adds the arguments of the command lines, which may hold secrets")     \
    ROW(advise, "apply", 'a', NULL, "prints only the lines for the environment and for the server's configuration")    \
    ROW(advise, "json", 'j', NULL, "prints the advice as one object of JSON")                                          \
    ROW(advise, "sample", 'S', "?TIME",                                                                                \
        "watches requests of all sizes for a time, by default 10s, to say the share of the pools in all of them")      \
    ROW(set, "dry-run", 'n', NULL, "says what would change, and changes nothing")                                      \
    ROW(systemd, "library", 'L', "FILE", "uses this library instead of the command's own")

/* Columns of each row: name of the exit code, the code, its meaning. */
#define COMMAND_EXIT_ROWS(ROW)                                                                                         \
    ROW(DONE, 0, "success; check: the library is in effect")                                                           \
    ROW(NO, 1, "check: the library is not in effect")                                                                  \
    ROW(USAGE, 2, "the command line is wrong")                                                                         \
    ROW(GONE, 3, "there is no such process, or it has ended")                                                          \
    ROW(FORBIDDEN, 4, "the process may not be read, or the signal may not be sent")                                    \
    ROW(WITHOUT, 5, "the process has not loaded the library, or the library has not finished its start-up")            \
    ROW(OTHER_VERSION, 6, "the process or the file is of another version of the library")                              \
    ROW(DAMAGED, 7,                                                                                                    \
        "a file is cut, damaged or not to be read, or the memory of a process makes no sense or takes too long to "    \
        "read")                                                                                                        \
    ROW(UNWRITTEN, 8, "the output could not be written")                                                               \
    ROW(NO_TERMINAL, 9,                                                                                                \
        "top: there is no terminal, or the command was built without ncurses, and --batch was not given")              \
    ROW(FAILED, 10,                                                                                                    \
        "compare: the server or its load has failed; check, exporter: there is no memory, or the processes cannot be " \
        "listed")                                                                                                      \
    ROW(NO_ADDRESS, 11, "exporter: it cannot listen on the address, or was built without libmicrohttpd")               \
    ROW(UNANSWERED, 12, "the process has not carried out what the signal demanded")                                    \
    ROW(REFUSED, 125, "run, check, compare: the library cannot take effect in the program, which was not started")     \
    ROW(NOT_EXECUTABLE, 126, "run, check, compare: the program cannot be executed")                                    \
    ROW(NOT_FOUND, 127, "run, check, compare: there is no such program")

enum command_exit {
#define COMMAND_EXIT(name, code, when) EXIT_##name = (code),
    COMMAND_EXIT_ROWS(COMMAND_EXIT)
#undef COMMAND_EXIT
};

#endif
