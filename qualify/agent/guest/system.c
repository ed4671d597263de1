/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts, files, debugfs blobs, and what there is to say about the machine. */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMMAND_LINE_MAX 65536

char command_line[COMMAND_LINE_MAX];

void read_command_line(void)
{
	uint8_t *data;
	ssize_t size = read_whole("/proc/cmdline", sizeof command_line - 1, &data);

	if (size < 0)
		return;
	memcpy(command_line, data, (size_t)size + 1);
	command_line[strcspn(command_line, "\n")] = 0;
	free(data);
}

/* The last "key=value" of the command line. */
void option(const char *key, const char *otherwise, char *value, size_t size)
{
	size_t length = strlen(key);

	snprintf(value, size, "%s", otherwise);
	for (const char *at = command_line; *at;) {
		size_t n = strcspn(at, " ");
		if (n > length && !strncmp(at, key, length) && at[length] == '=')
			snprintf(value, size, "%.*s", (int)(n - length - 1), at + length + 1);
		at += n;
		at += strspn(at, " ");
	}
}

#define KHO "/sys/kernel/debug/kho/"

static sigjmp_buf back;
static volatile sig_atomic_t armed;

static void on_signal(int number)
{
	if (armed) {
		armed = 0;
		siglongjmp(back, 1);
	}
	/* A mistake of ours. Told as well as can be; init must not die, that would look like the kernel's panic. */
	fail(0, "signal %d in the agent", number);
	rec_begin("end");
	rec_end();
	port_drain();
	for (;;)
		pause();
}

void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	const int numbers[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT };

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		sigaction(numbers[i], &action, NULL);
}

bool guarded(void (*fn)(void *), void *arg)
{
	if (sigsetjmp(back, 1))
		return false;
	armed = 1;
	fn(arg);
	armed = 0;
	return true;
}

void system_mount(void)
{
	static const char *const mounts[][2] = {
		{ "proc", "/proc" },      { "sysfs", "/sys" },  { "devtmpfs", "/dev" },
		{ "debugfs", "/sys/kernel/debug" }, { "tmpfs", "/tmp" },
	};
	struct rlimit many = { 1048576, 1048576 };

	/* Failures show where the file system is used: a record then says what is missing. */
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
		mkdir(mounts[i][1], 0755);
		mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL);
	}
	setrlimit(RLIMIT_NOFILE, &many);
}

bool exists(const char *path)
{
	return !access(path, F_OK);
}

ssize_t read_whole(const char *path, size_t most, uint8_t **data)
{
	size_t room = 16384, have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	uint8_t *buffer = NULL, *grown;

	*data = NULL;
	if (fd < 0)
		return -1;
	for (;;) {
		if (!buffer || have == room) {
			room = buffer ? room * 2 : room;
			if (!(grown = realloc(buffer, room + 1))) {
				error = ENOMEM;
				break;
			}
			buffer = grown;
		}
		ssize_t n = read(fd, buffer + have, room - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = errno;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have > most) {
			error = EFBIG;
			break;
		}
	}
	close(fd);
	if (error) {
		free(buffer);
		errno = error;
		return -1;
	}
	buffer[have] = 0;
	*data = buffer;
	return (ssize_t)have;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static void encode(const uint8_t *data, size_t size, char *to)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; size; data += 3) {
		uint32_t v = (uint32_t)data[0] << 16 | (size > 1 ? (uint32_t)data[1] << 8 : 0) | (size > 2 ? data[2] : 0);
		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = size > 1 ? digits[v >> 6 & 63] : '=';
		*to++ = size > 2 ? digits[v & 63] : '=';
		size -= size < 3 ? size : 3;
	}
	*to = 0;
}

void blob_file(const char *path, const char *name)
{
	static char coded[BLOB_CHUNK / 3 * 4 + 8];
	uint8_t *data;
	ssize_t size = read_whole(path, (size_t)64 << 20, &data), at = 0;

	if (size < 0) {
		int error = errno;
		rec_begin("blob");
		rec_str("name", name, 128);
		rec_errno("errno", error);
		rec_end();
		return;
	}
	do { /* an empty blob is one record too */
		size_t n = size - at < BLOB_CHUNK ? (size_t)(size - at) : BLOB_CHUNK;
		encode(data + at, n, coded);
		rec_begin("blob");
		rec_str("name", name, 128);
		rec_int("size", size);
		rec_int("offset", at);
		rec_str("data", coded, sizeof coded);
		rec_end();
		at += (ssize_t)n;
	} while (at < size);
	free(data);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder, sorted; they stay allocated. */
static size_t names_in(const char *path, char ***names)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	size_t count = 0;

	*names = NULL;
	while (dir && (e = readdir(dir))) {
		char **grown = e->d_name[0] == '.' ? NULL : realloc(*names, (count + 1) * sizeof **names);
		if (!grown)
			continue;
		*names = grown;
		if (((*names)[count] = strdup(e->d_name)))
			count++;
	}
	if (dir)
		closedir(dir);
	if (count)
		qsort(*names, count, sizeof **names, by_name);
	return count;
}

void blobs_of(const char *side, const char *as)
{
	char path[PATH_MAX], name[PATH_MAX], **names;
	size_t count;

	snprintf(path, sizeof path, KHO "%s/fdt", side);
	snprintf(name, sizeof name, "%s/fdt", as);
	if (exists(path))
		blob_file(path, name);
	snprintf(path, sizeof path, KHO "%s/sub_fdts", side);
	count = names_in(path, &names);
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof path, KHO "%s/sub_fdts/%s", side, names[i]);
		snprintf(name, sizeof name, "%s/sub_fdts/%s", as, names[i]);
		blob_file(path, name);
	}
}

static void list(const char *key, const char *path, size_t until)
{
	char **names;
	size_t count = names_in(path, &names), i;

	rec_list_begin(key);
	for (i = 0; i < count && rec_list_item(names[i], until); i++)
		;
	rec_list_end();
	if (i < count)
		rec_bool("cut", true);
}

static int64_t memtotal(void)
{
	uint8_t *data;
	int64_t value = -1;

	if (read_whole("/proc/meminfo", 65536, &data) < 0)
		return -1;
	const char *at = strstr((char *)data, "MemTotal:");
	if (at)
		value = strtoll(at + 9, NULL, 10);
	free(data);
	return value;
}

void system_record(void)
{
	/* A flag nobody knows: ENOSYS where the call is not built in, EINVAL where it is (kernel/kexec_file.c). */
	long file_load = syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, 0x40000000UL);
	bool known = file_load >= 0 || errno != ENOSYS;

	rec_begin("system");
	rec_int("memtotal", memtotal());
	rec_bool("kho", exists("/sys/kernel/debug/kho"));
	list("in", KHO "in/sub_fdts", 1600);
	list("out", KHO "out/sub_fdts", 3200);
	rec_bool("in_fdt", exists(KHO "in/fdt"));
	rec_bool("out_fdt", exists(KHO "out/fdt"));
	rec_bool("finalize", exists(KHO "out/finalize"));
	rec_bool("device", exists("/dev/liveupdate"));
	rec_int("page_size", sysconf(_SC_PAGESIZE));
	rec_bool("kexec_file_load", known);
	rec_end();
}
