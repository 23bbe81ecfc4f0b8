/* Tests of os/symbol.c, which finds the name of the function that an address lies in. The results are compared with
 * those of dladdr and dlsym, also in a process that may not read files. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "os/symbol.h"
#include "support/capture.h"
#include "support/crew.h"

enum { UNUSUAL = 4242 /* an errno that no call sets */, TEXT_SIZE = 512 };

static struct symbol_finder finder;

/* Returns the text that symbol_print prints for an address. The text stays valid during the next call, and the call
 * after that overwrites it. */
static const char *print(const void *address)
{
    static char buffers[2][TEXT_SIZE];
    static unsigned next;
    struct text text = text_begin(buffers[next++ % 2], TEXT_SIZE);
    errno = UNUSUAL;
    symbol_print(&finder, address, &text);
    CHECK(errno == UNUSUAL && !text.cut);
    return text.start;
}

static const char *expected(const char *format, const char *object, const char *name, size_t offset)
{
    static char buffer[TEXT_SIZE];
    snprintf(buffer, sizeof buffer, format, object, name, offset);
    return buffer;
}

static const char *bare(const void *address)
{
    static char buffer[32];
    snprintf(buffer, sizeof buffer, "%p", address);
    return address != NULL ? buffer : "0x0";
}

/* Returns the address of libc's function `name`, and sets `size` to the function's length in bytes. */
static char *find(const char *name, size_t *size)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    char *address = dlsym(RTLD_DEFAULT, name);
    cr_assert_not_null(address);
    cr_assert(dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL);
    cr_assert_eq(info.dli_saddr, address);
    *size = symbol->st_size;
    return address;
}

/* Checks the text for the address `offset` bytes behind the start of a function. The function may have several names,
 * and any of them is right. */
static void expect_function(char *function, size_t offset)
{
    char name[64] = "";
    size_t found;
    const char *words = print(function + offset);
    cr_assert_eq(sscanf(words, "libc.so.6(%63[a-z0-9_]+0x%zx)", name, &found), 2, "%s", words);
    cr_assert_eq(found, offset);
    cr_assert_eq(dlsym(RTLD_DEFAULT, name), function, "%s", words);
    cr_assert_str_eq(words, expected("%s(%s+0x%zx)", "libc.so.6", name, offset));
}

Test(symbol, names_object_function_and_offset)
{
    static const char *const names[] = {"qsort", "getaddrinfo", "fopen", "asprintf", "getline"};
    symbol_begin(&finder);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t size;
        char *function = find(names[i], &size);
        expect_function(function, 1);
        /* Also tests the address at the function's end. If the last instruction calls a function that does not return,
         * this address is the return address of the call. */
        expect_function(function, size);
        const char *words = print(function);
        cr_assert_null(strstr(words, "+0x0)"), "%s: an address after a call belongs to the function with the call",
                       words);
    }
}

static void hidden(void)
{
}

/* If a function is not exported, the text has the function's offset from the start of the file, as addr2line and
 * objdump print it. The program may be position-independent or not. */
Test(symbol, hidden_function_is_an_offset)
{
    Dl_info info;
    struct link_map *map = NULL;
    const char *behind = (const char *)hidden + 1;
    char program[PATH_MAX] = "";
    cr_assert_gt(readlink("/proc/self/exe", program, sizeof program - 1), 0);
    symbol_begin(&finder);
    cr_assert(dladdr1(behind, &info, (void **)&map, RTLD_DL_LINKMAP) != 0);
    cr_assert_str_eq(print(behind),
                     expected("%s%s+0x%zx", strrchr(program, '/') + 1, "", (uintptr_t)behind - map->l_addr));
}

Test(symbol, memory_without_a_file_is_an_address)
{
    char *start = os_map(os_page_size());
    symbol_begin(&finder);
    cr_assert_str_eq(print(start + 1), bare(start + 1));
    cr_assert_str_eq(print(NULL), "0x0");
    os_release(start, os_page_size());
    cr_assert_str_eq(print(start + 1), bare(start + 1));
}

Test(symbol, a_file_that_is_no_object_has_a_name)
{
    char path[] = "/tmp/sockmalloc-unit-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0 && ftruncate(file, 8192) == 0);
    char *start = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 0);
    cr_assert_neq(start, MAP_FAILED);
    symbol_begin(&finder);
    cr_assert_str_eq(print(start + 5000), expected("%s%s+0x%zx", strrchr(path, '/') + 1, "", 5000));
    unlink(path);
    close(file);
}

/* Checks the text for an address near the end of each executable segment of an object. This process usually has more
 * objects than `finder` can store at a time, so that it must replace some. */
static int expect_object(struct dl_phdr_info *object, size_t size, void *seen)
{
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0 || strchr(object->dlpi_name, '/') == NULL) {
            continue;
        }
        char path[PATH_MAX];
        const char *end = (const char *)object->dlpi_addr + segment->p_vaddr + segment->p_memsz - 16;
        cr_assert_not_null(realpath(object->dlpi_name, path));
        const char *name = strrchr(path, '/') + 1;
        const char *words = print(end);
        cr_assert(strncmp(words, name, strlen(name)) == 0 && (words[strlen(name)] == '+' || words[strlen(name)] == '('),
                  "%s is not of %s", words, name);
        ++*(unsigned *)seen;
    }
    return 0;
}

Test(symbol, remembers_objects_separately)
{
    unsigned seen = 0;
    symbol_begin(&finder);
    for (unsigned round = 0; round < 3; round++) {
        seen = 0;
        dl_iterate_phdr(expect_object, &seen);
    }
    cr_assert_gt(seen, 3);
}

/* The same address gives the same text again. While `finder` stores an object, /proc/self/maps is not read again for
 * addresses of this object. */
Test(symbol, second_answer_is_the_same)
{
    size_t size;
    char *function = find("qsort", &size);
    symbol_begin(&finder);
    const char *first = print(function + 1);
    cr_assert_str_eq(print(function + 1), first);
    cr_assert_eq(finder.next, 1, "/proc/self/maps is read once for each object");
    print(hidden);
    print(function + 1);
    cr_assert_eq(finder.next, 2, "the first object is still remembered");
}

/* Loads a library that every glibc brings and that this process has not loaded yet. Returns its handle, and stores the
 * address of a function of it. */
static void *load(const char **function)
{
    static const char name[] = "libBrokenLocale.so.1";
    cr_assert_null(dlopen(name, RTLD_NOW | RTLD_NOLOAD));
    void *handle = dlopen(name, RTLD_NOW);
    cr_assert_not_null(handle, "%s", dlerror());
    *function = dlsym(handle, "__ctype_get_mb_cur_max");
    cr_assert_not_null(*function);
    return handle;
}

Test(symbol, unloaded_object_has_no_symbols)
{
    const char *function;
    void *handle = load(&function);
    symbol_begin(&finder);
    cr_assert_str_eq(print(function + 1),
                     expected("%s(%s+0x%zx)", "libBrokenLocale.so.1", "__ctype_get_mb_cur_max", 1));
    cr_assert_eq(dlclose(handle), 0);
    /* The library libBrokenLocale was unloaded after the address was printed for the first time, so the symbols of this
     * library must not be read any more. */
    const char *words = print(function + 1);
    cr_assert_eq(strncmp(words, "libBrokenLocale.so.1+0x", 23), 0, "%s", words);
    symbol_begin(&finder);
    cr_assert_str_eq(print(function + 1), bare(function + 1));
}

/* Installs a filter that kills the process if it opens a file or calls process_vm_readv. */
static void install_filter(void)
{
    static struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    static const struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
    /* tells the library that the process has a seccomp filter now; in a server, the library's wrapper of prctl does
     * this */
    os_add_filter();
}

static void print_in_a_sandbox(void *argument)
{
    install_filter();
    symbol_begin(&finder);
    CHECK(strcmp(print(argument), bare(argument)) == 0);
    if (getenv("SOCKMALLOC_UNIT_OPEN") != NULL) {
        open("/dev/null", O_RDONLY);
    }
}

Test(symbol, sandboxed_process_makes_no_forbidden_call)
{
    static struct capture capture;
    size_t size;
    char *function = find("qsort", &size);
    capture_run(&capture, print_in_a_sandbox, function + 1);
    cr_assert(capture_is_clean(&capture), "status %x: %s", (unsigned)capture.status, capture.words);
    /* Checks the test itself: with this variable set, the child opens a file, and the filter must kill it. */
    setenv("SOCKMALLOC_UNIT_OPEN", "1", 1);
    capture_run(&capture, print_in_a_sandbox, function + 1);
    cr_assert(WIFSIGNALED(capture.status));
}
