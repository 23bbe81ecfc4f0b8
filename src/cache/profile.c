/* Reads and writes the profile, a file that keeps trained quotas until the next start of the server. Other users or
 * processes may have made, changed or truncated this file, so its type, its owner, its mode and its text are
 * checked. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "config/message.h"
#include "config/setting.h"
#include "os/os_file.h"
#include "os/os_process.h"

enum {
    TITLE_LENGTH = sizeof PROFILE_TITLE - 1,
    NEW_NAME_SIZE = SETTING_PATH_SIZE + sizeof ".-2147483648.new",
    PROFILE_MODE = 0600,
    /* O_NONBLOCK is set, because opening a FIFO would otherwise wait for a writer */
    OPEN_FLAGS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
};

/* Returns a text that describes an error of open, or "" if the error means that there is no file. */
static const char *profile_open_fault(int error)
{
    switch (error) {
    case ENOENT:
        return "";
    case ELOOP:
        return "a symbolic link";
    case EACCES:
    case EPERM:
        return "no permission";
    case ENXIO:
        return "not a regular file";
    default:
        return "it can't be opened";
    }
}

/* Opens a regular file for reading, and stores its status. Returns its descriptor, or a negative error number. */
static int profile_open(const char *path, struct stat *status)
{
    int file = os_open(path, O_RDONLY | OPEN_FLAGS, 0);
    if (file >= 0 && (os_status(file, status) != 0 || !S_ISREG(status->st_mode))) {
        os_close(file);
        return -ENXIO; /* open fails with this error if the file is a socket */
    }
    return file;
}

/* Reads up to `size` bytes from where the last read has ended. Returns how many bytes it has read, or -1 if the file
 * cannot be read. */
static ssize_t profile_load(int file, char *bytes, size_t size)
{
    size_t used = 0;
    for (ssize_t length = 1; used < size && length != 0;) {
        length = os_read(file, bytes + used, size - used);
        if (length < 0) {
            return -1;
        }
        used += (size_t)length;
    }
    return (ssize_t)used;
}

/* Reads and checks an open file. Returns NULL, or a text that says what is wrong with the file. */
static const char *profile_read_file(int file, const struct stat *status, struct profile *profile)
{
    char bytes[PROFILE_SIZE];
    if (status->st_uid != 0 && status->st_uid != os_user()) {
        return "another user's file";
    }
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return "others may write to it";
    }
    ssize_t length = profile_load(file, bytes, sizeof bytes);
    if (length < 0 || length == sizeof bytes) {
        return length < 0 ? "it can't be read" : "too long";
    }
    bytes[length] = '\0';
    return profile_parse(bytes, (size_t)length, profile);
}

const char *profile_read(const char *path, struct profile *profile)
{
    int kept = errno;
    struct stat status;
    profile->count = 0;
    int file = profile_open(path, &status);
    const char *fault = file < 0 ? profile_open_fault(-file) : profile_read_file(file, &status, profile);
    if (file >= 0) {
        os_close(file);
    }
    profile->count = fault == NULL ? profile->count : 0;
    errno = kept;
    return fault;
}

/*
 * Returns true if there is no file at `path`, or if the file there is empty or begins like a profile, so that
 * profile_write may replace it.
 */
static bool profile_may_replace(const char *path)
{
    char bytes[TITLE_LENGTH];
    struct stat status;
    int file = profile_open(path, &status);
    if (file < 0) {
        return file == -ENOENT;
    }
    ssize_t length = profile_load(file, bytes, sizeof bytes);
    os_close(file);
    return length >= 0 && memcmp(bytes, PROFILE_TITLE, (size_t)length) == 0;
}

/*
 * Opens the file `name` and locks it. A process may remove or rename the file only while it holds the lock of the very
 * file that has this name. The lock ends when the descriptor is closed, even if SIGKILL ends the process. Returns the
 * descriptor, or -1 if the file cannot be opened, if another process has the lock, or if another file has got this name
 * by now.
 */
static int profile_hold(const char *name, int flags)
{
    struct stat opened;
    struct stat named;
    int file = os_open(name, O_WRONLY | OPEN_FLAGS | flags, PROFILE_MODE);
    if (file < 0) {
        return -1;
    }
    if (!os_lock_file(file) || os_status(file, &opened) != 0 || os_status_at(name, &named, false) != 0 ||
        opened.st_dev != named.st_dev || opened.st_ino != named.st_ino) {
        os_close(file);
        return -1;
    }
    return file;
}

/*
 * Creates the file, after removing a file of this name that a killed process has left. Returns the descriptor of the
 * new, locked file, or -1.
 */
static int profile_create(const char *name)
{
    int left = profile_hold(name, 0);
    if (left >= 0) {
        os_unlink(name);
        os_close(left);
    }
    return profile_hold(name, O_CREAT | O_EXCL);
}

/*
 * Writes the text to a file `name`, and renames it to `path`. If one of these steps fails, removes the new file and
 * returns false.
 */
static bool profile_put(const char *path, const char *name, const struct text *text)
{
    int file = profile_create(name);
    if (file < 0) {
        return false;
    }
    bool done = message_write(file, text->start, text->used) && os_rename(name, path);
    if (!done) {
        os_unlink(name);
    }
    os_close(file);
    return done;
}

bool profile_write(const char *path, const struct profile *profile)
{
    int kept = errno;
    char bytes[PROFILE_SIZE];
    char new_name[NEW_NAME_SIZE];
    struct text text = text_begin(bytes, sizeof bytes);
    struct text name = text_begin(new_name, sizeof new_name);
    text_add(&name, "%s.%d.new", path, (int)os_process());
    bool done =
        profile_print(profile, &text) && !name.cut && profile_may_replace(path) && profile_put(path, new_name, &text);
    errno = kept;
    return done;
}
