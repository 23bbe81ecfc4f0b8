/*
 * Lists the calls of malloc's interface. Each call has a row, which says how the call must behave by the standards and
 * the man pages.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "calls.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OPTIONAL     __attribute__((weak))

/* Weak, because not every process has these functions: that of sockmalloc, those of the BSDs and of C23, and those of
 * C++ under their mangled names. */
OPTIONAL int sockmalloc_active(void);
OPTIONAL void *reallocf(void *address, size_t request);
OPTIONAL int reallocarr(void *pointer, size_t count, size_t size);
OPTIONAL void cfree(void *address);
OPTIONAL void vfree(void *address);
OPTIONAL void free_sized(void *address, size_t size);
OPTIONAL void free_aligned_sized(void *address, size_t alignment, size_t size);
OPTIONAL void *_Znwm(size_t request);
OPTIONAL void *_ZnwmRKSt9nothrow_t(size_t request, const void *nothrow);
OPTIONAL void *_ZnwmSt11align_val_t(size_t request, size_t alignment);
OPTIONAL void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t request, size_t alignment, const void *nothrow);
OPTIONAL void _ZdlPv(void *address);
OPTIONAL void _ZdlPvm(void *address, size_t size);
OPTIONAL void _ZdlPvSt11align_val_t(void *address, size_t alignment);
OPTIONAL void _ZdlPvmSt11align_val_t(void *address, size_t size, size_t alignment);

static char *print_text(const char *text)
{
    char *copy;
    return asprintf(&copy, "%s", text) >= 0 ? copy : NULL;
}

/* Writes the text to a stream (open_memstream). Returns the stream's buffer, which libc has allocated, and has enlarged
 * by calling realloc itself. */
static char *stream_text(const char *text)
{
    char *copy = NULL;
    size_t length;
    FILE *stream = open_memstream(&copy, &length);
    if (stream == NULL) {
        return NULL;
    }
    fputs(text, stream);
    fclose(stream);
    return copy;
}

/* Passes a null pointer to free and malloc_usable_size, which must accept it. One row of the table below, `null`, makes
 * both calls, because they need no block. */
static void pass_null(void)
{
    free(NULL);
    if (malloc_usable_size(NULL) != 0) {
        abort();
    }
}

#define OLD    (ORIGIN_MALLOC | ORIGIN_ALIGNED | ORIGIN_OTHER)
#define SIZE   call->request
#define ARRAY  call->array.count, call->array.width
#define ALIGN  call->alignment
#define IN     call->address
#define OUT    call->address =
#define BEFORE call->old_request

/*
 * The columns are: the row's name, the function that the process must have, role, weight, origins, flags, the call
 * itself. A call of the role RESIZE with 0 bytes frees the block and returns NULL, as glibc's manual says of realloc.
 * For 0 bytes, all other calls return an address, but those with CALL_ALIGNED or CALL_PAGE may return NULL.
 */
/* clang-format off */
#define ROWS(ROW)                                                                                                  \
    ROW(malloc, malloc, TAKE, 30, ORIGIN_MALLOC, 0, OUT malloc(SIZE))                                              \
    ROW(calloc, calloc, TAKE, 20, ORIGIN_MALLOC, CALL_ZEROED | CALL_ARRAY, OUT calloc(ARRAY))                      \
    ROW(realloc_of_null, realloc, TAKE, 5, ORIGIN_MALLOC, 0, OUT realloc(NULL, SIZE))                              \
    ROW(reallocarray_of_null, reallocarray, TAKE, 3, ORIGIN_MALLOC, CALL_ARRAY, OUT reallocarray(NULL, ARRAY))     \
    ROW(reallocf_of_null, reallocf, TAKE, 2, ORIGIN_MALLOC, 0, OUT reallocf(NULL, SIZE))                           \
    ROW(posix_memalign, posix_memalign, TAKE, 8, ORIGIN_OTHER, CALL_ALIGNED | CALL_CODE | CALL_ERRNO_OPEN,         \
        call->code = posix_memalign(&IN, ALIGN, SIZE))                                                             \
    ROW(posix_memalign_badly, posix_memalign, TAKE, 1, ORIGIN_OTHER,                                               \
        CALL_BAD_ALIGNMENT | CALL_CODE | CALL_ERRNO_OPEN, call->code = posix_memalign(&IN, ALIGN, SIZE))           \
    ROW(aligned_alloc, aligned_alloc, TAKE, 8, ORIGIN_ALIGNED, CALL_ALIGNED, OUT aligned_alloc(ALIGN, SIZE))       \
    ROW(aligned_alloc_badly, aligned_alloc, TAKE, 1, ORIGIN_ALIGNED, CALL_BAD_ALIGNMENT | CALL_LENIENT,            \
        OUT aligned_alloc(ALIGN, SIZE))                                                                            \
    ROW(memalign, memalign, TAKE, 5, ORIGIN_OTHER, CALL_ALIGNED, OUT memalign(ALIGN, SIZE))                        \
    ROW(valloc, valloc, TAKE, 2, ORIGIN_OTHER, CALL_PAGE, OUT valloc(SIZE))                                        \
    ROW(pvalloc, pvalloc, TAKE, 2, ORIGIN_OTHER, CALL_PAGE | CALL_WHOLE_PAGES, OUT pvalloc(SIZE))                  \
    ROW(strdup, strdup, TAKE, 2, ORIGIN_OTHER, CALL_TEXT, OUT strdup(call->text))                                  \
    ROW(strndup, strndup, TAKE, 2, ORIGIN_OTHER, CALL_TEXT | CALL_LIMIT, OUT strndup(call->text, SIZE))            \
    ROW(asprintf, asprintf, TAKE, 2, ORIGIN_OTHER, CALL_TEXT | CALL_ERRNO_OPEN, OUT print_text(call->text))        \
    ROW(open_memstream, open_memstream, TAKE, 2, ORIGIN_OTHER, CALL_TEXT | CALL_ERRNO_OPEN,                        \
        OUT stream_text(call->text))                                                                               \
    ROW(new, _Znwm, TAKE, 2, ORIGIN_NEW, CALL_THROWS, OUT _Znwm(SIZE))                                             \
    ROW(new_nothrow, _ZnwmRKSt9nothrow_t, TAKE, 2, ORIGIN_NEW, CALL_ERRNO_OPEN,                                    \
        OUT _ZnwmRKSt9nothrow_t(SIZE, ""))                                                                         \
    ROW(new_aligned, _ZnwmSt11align_val_t, TAKE, 2, ORIGIN_NEW_ALIGNED, CALL_ALIGNED | CALL_THROWS,                \
        OUT _ZnwmSt11align_val_t(SIZE, ALIGN))                                                                     \
    ROW(new_aligned_nothrow, _ZnwmSt11align_val_tRKSt9nothrow_t, TAKE, 2, ORIGIN_NEW_ALIGNED,                      \
        CALL_ALIGNED | CALL_ERRNO_OPEN, OUT _ZnwmSt11align_val_tRKSt9nothrow_t(SIZE, ALIGN, ""))                   \
    ROW(realloc, realloc, RESIZE, 20, OLD, 0, OUT realloc(IN, SIZE))                                               \
    ROW(reallocarray, reallocarray, RESIZE, 6, OLD, CALL_ARRAY, OUT reallocarray(IN, ARRAY))                       \
    ROW(reallocf, reallocf, RESIZE, 4, OLD, CALL_FREES, OUT reallocf(IN, SIZE))                                    \
    ROW(reallocarr, reallocarr, RESIZE, 4, OLD, CALL_ARRAY | CALL_CODE, call->code = reallocarr(&IN, ARRAY))       \
    ROW(free, free, GIVE, 20, OLD, 0, free(IN))                                                                    \
    ROW(cfree, cfree, GIVE, 1, OLD, 0, cfree(IN))                                                                  \
    ROW(vfree, vfree, GIVE, 1, OLD, 0, vfree(IN))                                                                  \
    ROW(free_sized, free_sized, GIVE, 4, ORIGIN_MALLOC, 0, free_sized(IN, BEFORE))                                 \
    ROW(free_aligned_sized, free_aligned_sized, GIVE, 4, ORIGIN_ALIGNED, 0,                                        \
        free_aligned_sized(IN, call->old_alignment, BEFORE))                                                       \
    ROW(delete, _ZdlPv, GIVE, 1, ORIGIN_NEW, 0, _ZdlPv(IN))                                                        \
    ROW(delete_sized, _ZdlPvm, GIVE, 1, ORIGIN_NEW, 0, _ZdlPvm(IN, BEFORE))                                        \
    ROW(delete_aligned, _ZdlPvSt11align_val_t, GIVE, 1, ORIGIN_NEW_ALIGNED, 0,                                     \
        _ZdlPvSt11align_val_t(IN, call->old_alignment))                                                            \
    ROW(delete_aligned_sized, _ZdlPvmSt11align_val_t, GIVE, 1, ORIGIN_NEW_ALIGNED, 0,                              \
        _ZdlPvmSt11align_val_t(IN, BEFORE, call->old_alignment))                                                   \
    ROW(malloc_trim, malloc_trim, LEAVE, 1, 0, CALL_ERRNO_OPEN, (void)call; malloc_trim(0))  \
    ROW(null, free, LEAVE, 2, 0, 0, (void)call; pass_null())
/* clang-format on */

#define PERFORM(name, function, role, weight, origin, flags, action)                                                   \
    static void perform_##name(struct call *call)                                                                      \
    {                                                                                                                  \
        action;                                                                                                        \
    }
ROWS(PERFORM)
#undef PERFORM

static const struct operation operations[] = {
#define OPERATION(name, function, role, weight, origin, flags, action)                                                 \
    {#name, (void (*)(void))function, perform_##name, ROLE_##role, weight, origin, flags},
    ROWS(OPERATION)
#undef OPERATION
};

static bool calls_fit(const struct operation *operation, enum role role, unsigned origin)
{
    return operation->role == role && operation->present != NULL && (origin == 0 || (operation->origin & origin) != 0);
}

const struct operation *calls_draw(struct draw *draw, enum role role, unsigned origin)
{
    size_t sum = 0;
    for (unsigned row = 0; row < COUNT(operations); row++) {
        sum += calls_fit(&operations[row], role, origin) ? operations[row].weight : 0;
    }
    size_t number = sum > 0 ? draw_below(draw, sum) : 0;
    for (unsigned row = 0; sum > 0; row++) {
        if (calls_fit(&operations[row], role, origin)) {
            if (number < operations[row].weight) {
                return &operations[row];
            }
            number -= operations[row].weight;
        }
    }
    return NULL;
}

bool calls_are_sockmalloc(void)
{
    return sockmalloc_active != NULL;
}
