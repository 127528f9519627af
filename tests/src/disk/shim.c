/* A disk that forgets what was not synced, for `LD_PRELOAD`.
 *
 * Every change of the database's files is written to a journal, in the order in which it happened in all processes, and
 * so is every sync; syncing itself is left out. What a power cut would have left is put together from the journal
 * afterwards: see disk.rs. While the file named by HARDPOINT_DISK_FULL is there, nothing can be written: neither these
 * files nor blobs and search data.
 *
 * A record: what happened (w, t, s, u; d for a sync of their folder), the length of the name, the place, the length of the data; then name and data.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PREFIX "hardpoint.db"

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;

struct head {
    uint32_t what;
    uint32_t name_length;
    uint64_t place;
    uint64_t data_length;
};

/* The file's name, where it is one of the database's; not its index, which is rebuilt after a power cut. */
static const char *watched_name(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    int is_index = length > 4 && strcmp(name + length - 4, "-shm") == 0;
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && !is_index ? name : NULL;
}

static int is_of_kind(int fd, mode_t kind) {
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

static int path_of(int fd, char *path, size_t room) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, room - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0;
}

static const char *watched(int fd, char *path, size_t room) {
    return is_of_kind(fd, S_IFREG) && path_of(fd, path, room) ? watched_name(path) : NULL;
}

/* Whether it is the folder of the database's files. */
static int is_folder(int fd) {
    char path[4096];
    if (!is_of_kind(fd, S_IFDIR) || !path_of(fd, path, sizeof path - sizeof "/" PREFIX)) return 0;
    strcat(path, "/" PREFIX);
    return syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

/* Appended as one, whichever process it is. */
static void record(char what, const char *name, uint64_t place, const void *data, size_t length) {
    if (journal < 0) {
        const char *path = getenv("HARDPOINT_DISK_JOURNAL");
        if (!path) return;
        journal = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (journal < 0) abort();
    }
    struct head head = { (uint32_t)what, (uint32_t)strlen(name), place, length };
    struct iovec parts[3] = {
        { &head, sizeof head }, { (void *)name, strlen(name) }, { (void *)data, length },
    };
    size_t whole = sizeof head + strlen(name) + length;
    if ((size_t)syscall(SYS_writev, journal, parts, 3) != whole) abort();
}

static int is_full(void) {
    const char *path = getenv("HARDPOINT_DISK_FULL");
    return path && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

/* Whether it is a file of blobs or search data that cannot be written now. */
static int is_refused(const char *path) {
    return (strstr(path, "/data/blobs/") || strstr(path, "/data/index/")) && is_full();
}

static ssize_t written(int fd, const char *name, const void *data, size_t length, off_t place, int moves) {
    if (is_full()) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t count = moves ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, place);
    if (count > 0) record('w', name, (uint64_t)place, data, (size_t)count);
    return count;
}

ssize_t write(int fd, const void *data, size_t length) {
    char path[4096] = "";
    const char *name = watched(fd, path, sizeof path);
    if (!name && is_refused(path)) {
        errno = ENOSPC;
        return -1;
    }
    if (!name) return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t count = written(fd, name, data, length, lseek(fd, 0, SEEK_CUR), 1);
    pthread_mutex_unlock(&one_at_a_time);
    return count;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t place) {
    char path[4096] = "";
    const char *name = watched(fd, path, sizeof path);
    if (!name && is_refused(path)) {
        errno = ENOSPC;
        return -1;
    }
    if (!name) return syscall(SYS_pwrite64, fd, data, length, place);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t count = written(fd, name, data, length, place, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return count;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t place) { return pwrite64(fd, data, length, place); }

int ftruncate64(int fd, off_t length) {
    char path[4096];
    const char *name = watched(fd, path, sizeof path);
    if (!name) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&one_at_a_time);
    int outcome = syscall(SYS_ftruncate, fd, length);
    if (outcome == 0) record('t', name, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return outcome;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, long call) {
    char path[4096];
    const char *name = watched(fd, path, sizeof path);
    if (!name && !is_folder(fd)) return syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    record(name ? 's' : 'd', name ? name : "", 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return 0;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }

int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int unlink(const char *path) {
    const char *name = watched_name(path);
    if (!name) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&one_at_a_time);
    int outcome = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (outcome == 0) record('u', name, 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return outcome;
}
