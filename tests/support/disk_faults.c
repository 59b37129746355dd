/*
 * A disk that fails on demand, for processes started with LD_PRELOAD (tests/support/disk_faults.py).
 *
 * It stands between the process and libc's calls on the files of a ledger. What it does is read from a small file,
 * named by DISK_FAULTS, that is mapped into memory: whoever writes there changes this disk while the process runs.
 * The same file counts how often it interfered, so that a test can see that it did.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The order of the fields is that of `_FIELDS` in disk_faults.py. */
struct disk {
	int32_t sync_delay_ms;
	int32_t sync_fails;
	int32_t sync_lies;
	int32_t write_fails;
	int32_t read_fails;
	int32_t injected;
};

static struct disk healthy, *disk = &healthy;

__attribute__((constructor)) static void attach(void)
{
	const char *name = getenv("DISK_FAULTS");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		disk = mapped;
	close(fd);
}

static int is_ledger(int fd)
{
	char link[32], path[512];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return 0;
	path[length] = 0;
	return strstr(path, "ledger.db") != NULL;
}

static int interferes(int32_t fault, int fd)
{
	int error = errno, hit = fault && is_ledger(fd);
	errno = error;
	if (hit)
		__sync_fetch_and_add(&disk->injected, 1);
	return hit;
}

static int fails(int32_t fault, int fd)
{
	if (!interferes(fault, fd))
		return 0;
	errno = EIO;
	return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int sync_with(int (*real)(int), int fd)
{
	if (interferes(disk->sync_delay_ms, fd)) {
		struct timespec delay = {disk->sync_delay_ms / 1000, disk->sync_delay_ms % 1000 * 1000000L};
		nanosleep(&delay, NULL);
	}
	if (fails(disk->sync_fails, fd))
		return -1;
	return interferes(disk->sync_lies, fd) ? 0 : real(fd);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

ssize_t write(int fd, const void *data, size_t length)
{
	return fails(disk->write_fails, fd) ? -1 : REAL(write)(fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	return fails(disk->write_fails, fd) ? -1 : REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	return fails(disk->write_fails, fd) ? -1 : REAL(pwrite64)(fd, data, length, offset);
}

ssize_t read(int fd, void *data, size_t length)
{
	return fails(disk->read_fails, fd) ? -1 : REAL(read)(fd, data, length);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
	return fails(disk->read_fails, fd) ? -1 : REAL(pread)(fd, data, length, offset);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
	return fails(disk->read_fails, fd) ? -1 : REAL(pread64)(fd, data, length, offset);
}
