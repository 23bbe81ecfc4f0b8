/* Starts a command under a seccomp filter on its system calls, as containers and service managers do. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * usage: behind kill|fail|void CALL[,CALL...] COMMAND ARGUMENT... The first word says what happens when a named system
 * call is made: the process is killed (kill), the call fails with EPERM (fail), or it returns success and does nothing
 * (void).
 */
static const struct {
    const char *word;
    uint32_t verdict;
} verdicts[] = {{"kill", SECCOMP_RET_KILL_PROCESS}, {"fail", SECCOMP_RET_ERRNO | EPERM}, {"void", SECCOMP_RET_ERRNO}};

static const struct {
    const char *word;
    int number;
} calls[] = {{"mincore", SYS_mincore},
             {"prctl", SYS_prctl},
             {"process_vm_readv", SYS_process_vm_readv},
             {"process_madvise", SYS_process_madvise},
             {"getcpu", SYS_getcpu},
             {"openat", SYS_openat},
             {"madvise", SYS_madvise}};

enum { LIMIT = 32, STATUS_USAGE = 2 };

static struct sock_filter steps[LIMIT];
static unsigned short count;

static _Noreturn void refuse(const char *word)
{
    fprintf(stderr, "behind: %s\n", word);
    exit(STATUS_USAGE);
}

static uint32_t find_verdict(const char *word)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (strcmp(verdicts[i].word, word) == 0) {
            return verdicts[i].verdict;
        }
    }
    refuse(word);
}

static int find_call(const char *word)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (strcmp(calls[i].word, word) == 0) {
            return calls[i].number;
        }
    }
    refuse(word);
}

static void add(struct sock_filter step)
{
    if (count == LIMIT) {
        refuse("too many system calls");
    }
    steps[count++] = step;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        refuse("usage: behind kill|fail|void CALL[,CALL...] COMMAND ARGUMENT...");
    }
    uint32_t verdict = find_verdict(argv[1]);
    add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (char *rest = argv[2], *word; (word = strtok_r(rest, ",", &rest)) != NULL;) {
        uint32_t number = (uint32_t)find_call(word);
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
        add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
    }
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {.len = count, .filter = steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        refuse(strerror(errno));
    }
    execvp(argv[3], argv + 3);
    refuse(strerror(errno));
}
