/*
 * A disk that fails and a clock that jumps on demand, for processes started with LD_PRELOAD (tests/support/machine.py).
 *
 * It stands between the process and libc: its calls on the files of a ledger, and those that ask for the time of
 * day (not the monotonic clock, which does not jump either where a clock is set). What it does is read from a small
 * file, named by FAULTY_MACHINE, that is mapped into memory: whoever writes there changes the machine while the
 * process runs. The same file counts how often the disk interfered, so that a test can see that it did.
 *
 * FAULTY_MACHINE_DISK names a folder in which the files of the ledger stand as a power cut would leave them: what was
 * written to a file is copied there when the file is synced, before the sync returns.
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
#include <sys/stat.h>
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

/* ---- the disk as a power cut would leave it ---- */

enum { RANGES_MAX = 8192 };

static struct {
	const char *name;
	int is_whole; /* so much was written that all of it is copied */
	int ranges;
	struct { off64_t from, to; } range[RANGES_MAX];
} unsynced[] = {{.name = "ledger.db"}, {.name = "ledger.db-wal"}};

static int file_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	for (int file = 0; file < 2; file++)
		if (strcmp(slash ? slash + 1 : path, unsynced[file].name) == 0)
			return file;
	return -1;
}

static int file_behind(int fd)
{
	char link[32], path[512];
	if (!getenv("FAULTY_MACHINE_DISK"))
		return -1;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return -1;
	path[length] = 0;
	return file_of(path);
}

static void shadow_path(char *path, size_t size, int file)
{
	snprintf(path, size, "%s/%s", getenv("FAULTY_MACHINE_DISK"), unsynced[file].name);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Only the thread that writes the ledger comes here. */
static void note_write(int fd, off64_t from, ssize_t length)
{
	int error = errno, file = length > 0 ? file_behind(fd) : -1;
	errno = error;
	if (file < 0)
		return;
	int last = unsynced[file].ranges - 1;
	if (last >= 0 && unsynced[file].range[last].to == from)
		unsynced[file].range[last].to += length;
	else if (last + 1 == RANGES_MAX)
		unsynced[file].is_whole = 1;
	else {
		unsynced[file].range[last + 1].from = from;
		unsynced[file].range[last + 1].to = from + length;
		unsynced[file].ranges++;
	}
}

static void copy_range(int from, int to, off64_t at, off64_t end)
{
	static char page[1 << 16];
	while (at < end) {
		size_t wanted = end - at < (off64_t)sizeof page ? (size_t)(end - at) : sizeof page;
		ssize_t length = REAL(pread64)(from, page, wanted, at);
		if (length <= 0 || REAL(pwrite64)(to, page, length, at) != length)
			return;
		at += length;
	}
}

static void put_on_disk(int fd)
{
	char path[512];
	struct stat size;
	int error = errno, file = file_behind(fd);
	if (file >= 0 && fstat(fd, &size) == 0) {
		shadow_path(path, sizeof path, file);
		int shadow = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (shadow < 0)
			abort(); /* a test must not take an old image for the disk */
		if (unsynced[file].is_whole)
			copy_range(fd, shadow, 0, size.st_size);
		for (int i = 0; i < unsynced[file].ranges; i++)
			copy_range(fd, shadow, unsynced[file].range[i].from, unsynced[file].range[i].to);
		if (ftruncate(shadow, size.st_size) != 0)
			abort();
		close(shadow);
		unsynced[file].is_whole = unsynced[file].ranges = 0;
	}
	errno = error;
}

int unlink(const char *path)
{
	char shadow[512];
	int file = getenv("FAULTY_MACHINE_DISK") ? file_of(path) : -1;
	if (file >= 0) {
		shadow_path(shadow, sizeof shadow, file);
		REAL(unlink)(shadow);
		unsynced[file].is_whole = unsynced[file].ranges = 0;
	}
	return REAL(unlink)(path);
}

/* ---- what goes wrong ---- */

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

static int sync_with(int (*real)(int), int fd)
{
	if (interferes(machine->sync_delay_ms, fd)) {
		struct timespec delay = {machine->sync_delay_ms / 1000, machine->sync_delay_ms % 1000 * 1000000L};
		nanosleep(&delay, NULL);
	}
	if (fails(machine->sync_fails, fd))
		return -1;
	if (interferes(machine->sync_lies, fd))
		return 0;
	put_on_disk(fd);
	return real(fd);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }

ssize_t write(int fd, const void *data, size_t length)
{
	return fails(machine->write_fails, fd) ? -1 : REAL(write)(fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
	if (fails(machine->write_fails, fd))
		return -1;
	ssize_t written = REAL(pwrite)(fd, data, length, offset);
	note_write(fd, offset, written);
	return written;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	if (fails(machine->write_fails, fd))
		return -1;
	ssize_t written = REAL(pwrite64)(fd, data, length, offset);
	note_write(fd, offset, written);
	return written;
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
