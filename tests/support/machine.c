/*
 * A disk that fails and a clock that jumps on demand, for processes started with LD_PRELOAD (tests/support/machine.py).
 *
 * It stands between the process and libc: its calls on the files of a ledger, and those that ask for the time of
 * day (not the monotonic clock, which does not jump either where a clock is set). What it does is read from a small
 * file, named by FAULTY_MACHINE, that is mapped into memory: whoever writes there changes the machine while the
 * process runs. The same file counts how often the disk interfered, so that a test can see that it did.
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
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The order of the fields is that of `_FIELDS` in machine.py. */
struct machine {
	int32_t sync_delay_ms;
	int32_t sync_fails;
	int32_t sync_lies;
	int32_t write_fails;
	int32_t read_fails;
	int32_t clock_days;
	int32_t injected;
};

static struct machine healthy, *machine = &healthy;

__attribute__((constructor)) static void attach(void)
{
	const char *name = getenv("FAULTY_MACHINE");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		machine = mapped;
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
		__sync_fetch_and_add(&machine->injected, 1);
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
	if (interferes(machine->sync_delay_ms, fd)) {
		struct timespec delay = {machine->sync_delay_ms / 1000, machine->sync_delay_ms % 1000 * 1000000L};
		nanosleep(&delay, NULL);
	}
	if (fails(machine->sync_fails, fd))
		return -1;
	return interferes(machine->sync_lies, fd) ? 0 : real(fd);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

ssize_t write(int fd, const void *data, size_t length)
{
	return fails(machine->write_fails, fd) ? -1 : REAL(write)(fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	return fails(machine->write_fails, fd) ? -1 : REAL(pwrite)(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	return fails(machine->write_fails, fd) ? -1 : REAL(pwrite64)(fd, data, length, offset);
}

ssize_t read(int fd, void *data, size_t length)
{
	return fails(machine->read_fails, fd) ? -1 : REAL(read)(fd, data, length);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset)
{
	return fails(machine->read_fails, fd) ? -1 : REAL(pread)(fd, data, length, offset);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset)
{
	return fails(machine->read_fails, fd) ? -1 : REAL(pread64)(fd, data, length, offset);
}

static time_t jump(void) { return machine->clock_days * (time_t)86400; }

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real) /* looked up once: this is called hundreds of thousands of times a second */
		real = REAL(clock_gettime);
	int result = real(clock, now);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += jump();
	return result;
}

int gettimeofday(struct timeval *now, void *zone)
{
	int result = REAL(gettimeofday)(now, zone);
	if (result == 0)
		now->tv_sec += jump();
	return result;
}

time_t time(time_t *now)
{
	time_t jumped = REAL(time)(NULL) + jump();
	if (now)
		*now = jumped;
	return jumped;
}
