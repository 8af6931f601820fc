/* A disk that fails on order: preloaded into the server, it lets calls on files fail or wait as a control file says.
 *
 * FAULTS names that file. Each of its lines is a rule:
 *
 *     call result skip path
 *
 * `call` is `grow` (a write behind the end of a file, or a new file or name), `write` (any write, or a new file or name)
 * `sync` (also sync_file_range) or `fsync` (without
 * that); `result` an errno name, milliseconds to wait before the call goes on, or `hangs` until the file is another one; `skip` how many such calls pass
 * first, counted since the file was last changed; `path` what the path of the file must contain, `-` for all below FAULTS_ROOT.
 * The file is read at every call, so that a rule holds from the moment it is written. Its replacement must be a rename.
 *
 * A file on a full disk can be written where it has blocks already, which is what `grow` is for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES 8

enum call { GROW = 1, WRITE = 2, SYNC = 4, FSYNC = 8 };

static atomic_ulong generation;
static atomic_ulong counts[MAX_RULES];

static int error_of(const char *name) {
    if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
    if (strcmp(name, "EIO") == 0) return EIO;
    if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
    if (strcmp(name, "EROFS") == 0) return EROFS;
    return 0;
}

/* What comes of a call of these kinds on this path: 0, or an errno. Waits where a rule says so. */
static int verdict(int kinds, const char *path) {
    const char *control = getenv("FAULTS"), *root = getenv("FAULTS_ROOT");
    if (!control || !path || !root || strncmp(path, root, strlen(root)) != 0) return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    char text[1024];
    struct stat about;
    ssize_t n = syscall(SYS_read, fd, text, sizeof text - 1);
    unsigned long now = fstat(fd, &about) == 0 ? (unsigned long)about.st_ino : 0;
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    text[n] = 0;
    if (atomic_exchange(&generation, now) != now)
        for (int i = 0; i < MAX_RULES; i++) atomic_store(&counts[i], 0);
    char *rest = text, *line;
    for (int i = 0; i < MAX_RULES && (line = strsep(&rest, "\n")); i++) {
        char call[16], result[16], part[512];
        unsigned long skip;
        if (sscanf(line, "%15s %15s %lu %511s", call, result, &skip, part) != 4) continue;
        int kind = strcmp(call, "grow") == 0 ? GROW : strcmp(call, "fsync") == 0 ? FSYNC : strcmp(call, "write") == 0 ? WRITE : SYNC;
        if (!(kinds & kind) || (strcmp(part, "-") != 0 && !strstr(path, part))) continue;
        if (atomic_fetch_add(&counts[i], 1) < skip) continue;
        int error = error_of(result);
        if (error) return error;
        struct stat later;
        struct timespec moment = {0, 2000000};
        while (strcmp(result, "hangs") == 0 && stat(control, &later) == 0 && later.st_ino == about.st_ino)
            nanosleep(&moment, NULL);
        long ms = atol(result);
        struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
        while (nanosleep(&wait, &wait) != 0 && errno == EINTR) {}
    }
    return 0;
}

static int of_fd(int kinds, int fd, off_t end) {
    char link[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    int error = 0;
    if (n > 0) {
        path[n] = 0;
        struct stat about;
        if (kinds == WRITE && fstat(fd, &about) == 0 && end > about.st_size) kinds |= GROW;
        error = verdict(kinds, path);
    }
    errno = before;
    return error;
}

static int of_name(int directory, const char *name) {
    char path[PATH_MAX];
    if (name[0] != '/' || directory != AT_FDCWD) {
        char link[64], folder[PATH_MAX];
        if (directory == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t n = readlink(link, folder, sizeof folder - 1);
        if (n <= 0) return 0;
        folder[n] = 0;
        if (name[0] != '/') {
            if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
            name = path;
        }
    }
    return verdict(WRITE | GROW, name);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FAIL_BY(error) do { int e_ = (error); if (e_) { errno = e_; return -1; } } while (0)

static off_t here(int fd) {
    int before = errno;
    struct stat about;
    off_t at = lseek(fd, 0, SEEK_CUR);
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && fstat(fd, &about) == 0) at = about.st_size;
    errno = before;
    return at;
}

ssize_t write(int fd, const void *data, size_t n) {
    REAL(write);
    FAIL_BY(of_fd(WRITE, fd, here(fd) + (off_t)n));
    return real(fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    size_t all = 0;
    for (int i = 0; i < n; i++) all += parts[i].iov_len;
    FAIL_BY(of_fd(WRITE, fd, here(fd) + (off_t)all));
    return real(fd, parts, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
    REAL(pwrite64);
    FAIL_BY(of_fd(WRITE, fd, at + (off_t)n));
    return real(fd, data, n, at);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    REAL(pwrite);
    FAIL_BY(of_fd(WRITE, fd, at + (off_t)n));
    return real(fd, data, n, at);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    REAL(copy_file_range);
    FAIL_BY(of_fd(WRITE | GROW, out, 0));
    return real(in, from, out, to, n, flags);
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    FAIL_BY(of_fd(WRITE, fd, length));
    return real(fd, length);
}

int fsync(int fd) {
    REAL(fsync);
    FAIL_BY(of_fd(SYNC | FSYNC, fd, 0));
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    FAIL_BY(of_fd(SYNC | FSYNC, fd, 0));
    return real(fd);
}

int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) {
    REAL(sync_file_range);
    FAIL_BY(of_fd(SYNC, fd, 0));
    return real(fd, at, n, flags);
}

static int of_open(int directory, const char *name, int flags) {
    if (!(flags & O_CREAT)) return 0;
    int before = errno;
    struct stat about;
    int is_there = fstatat(directory, name, &about, 0) == 0;
    int error = is_there ? 0 : of_name(directory, name);
    errno = before;
    return error;
}

int open64(const char *name, int flags, ...) {
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    FAIL_BY(of_open(AT_FDCWD, name, flags));
    return real(name, flags, mode);
}

int openat64(int directory, const char *name, int flags, ...) {
    REAL(openat64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    FAIL_BY(of_open(directory, name, flags));
    return real(directory, name, flags, mode);
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    FAIL_BY(of_name(AT_FDCWD, name));
    return real(name, mode);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    FAIL_BY(of_name(AT_FDCWD, to));
    return real(from, to);
}

int linkat(int from, const char *name, int to, const char *other, int flags) {
    REAL(linkat);
    FAIL_BY(of_name(to, other));
    return real(from, name, to, other, flags);
}
