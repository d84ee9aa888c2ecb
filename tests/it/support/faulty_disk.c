/* Stands before the functions by which a process changes its files, counts their calls, and lets
 * those that a test has chosen go wrong. Loaded with LD_PRELOAD; the test and this share a file.
 *
 * Only files in one folder count. A call that does not go wrong is the system's own. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, TRUNCATE = 4, OPEN_TO_WRITE = 8 };

enum fate { FAIL = 0, TEAR = 1, STALL = 2 };

/* The test writes the first five, and this the last three. */
struct control {
    uint64_t kinds; /* which calls count */
    uint64_t first; /* the first that goes wrong, counted from 1 */
    uint64_t last;  /* and the last; 0 for none */
    uint64_t fate;
    uint64_t error;
    uint64_t calls;
    uint64_t wrong;
    uint64_t stalled; /* how many stand still now */
};

static volatile struct control *control;
static const char *folder;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("FAULTY_DISK_CONTROL");
    folder = getenv("FAULTY_DISK_FOLDER");
    if (!path || !folder)
        return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0)
        abort();
    void *memory =
        mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        abort();
    control = memory;
    close(file);
}

static int is_in_folder(const char *path) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static int is_watched(int file) {
    char link[64], path[PATH_MAX];
    if (!control)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_in_folder(path);
}

/* True where the call is to go wrong, and how; one that stalls goes on when it may. */
static int goes_wrong(enum kind kind, enum fate *fate) {
    if (!(control->kinds & kind))
        return 0;
    uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (call < control->first || call > control->last)
        return 0;
    __atomic_add_fetch(&control->wrong, 1, __ATOMIC_SEQ_CST);
    *fate = (enum fate)control->fate;
    if (*fate != STALL) {
        errno = (int)control->error;
        return 1;
    }
    struct timespec pause = {.tv_nsec = 1000000};
    __atomic_add_fetch(&control->stalled, 1, __ATOMIC_SEQ_CST);
    while (call <= control->last)
        nanosleep(&pause, NULL);
    __atomic_sub_fetch(&control->stalled, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static ssize_t write_at(int file, const void *bytes, size_t count, off_t offset) {
    return offset < 0 ? syscall(SYS_write, file, bytes, count)
                      : syscall(SYS_pwrite64, file, bytes, count, offset);
}

static ssize_t watched_write(int file, const void *bytes, size_t count, off_t offset) {
    enum fate fate;
    if (!is_watched(file) || !goes_wrong(WRITE, &fate))
        return write_at(file, bytes, count, offset);
    int error = errno;
    if (fate == TEAR)
        write_at(file, bytes, count / 2, offset);
    errno = error;
    return -1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return watched_write(file, bytes, count, -1);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return watched_write(file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return watched_write(file, bytes, count, offset);
}

int fsync(int file) {
    enum fate fate;
    if (is_watched(file) && goes_wrong(SYNC, &fate))
        return -1;
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    enum fate fate;
    if (is_watched(file) && goes_wrong(SYNC, &fate))
        return -1;
    return (int)syscall(SYS_fdatasync, file);
}

int ftruncate(int file, off_t length) {
    enum fate fate;
    if (is_watched(file) && goes_wrong(TRUNCATE, &fate))
        return -1;
    return (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate64(int file, off64_t length) {
    return ftruncate(file, length);
}

static int watched_open(int at, const char *path, int flags, mode_t mode) {
    enum fate fate;
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (control && writes && is_in_folder(path) && goes_wrong(OPEN_TO_WRITE, &fate))
        return -1;
    return (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE_BEHIND(flags)                                                                         \
    va_list arguments;                                                                             \
    va_start(arguments, flags);                                                                    \
    mode_t mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;               \
    va_end(arguments)

int open(const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return watched_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return watched_open(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return watched_open(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE_BEHIND(flags);
    return watched_open(at, path, flags, mode);
}
