/* SPDX-License-Identifier: Apache-2.0 */
/* Records: one JSON object a line, numbered and checksummed, on a port of their own. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int port_fd = -1;

static char text[RECORD_MAX + 600];
static size_t length;
static bool overflow, first_item;
static char kind_of[32];
static unsigned long sequence;

static const struct {
	int number;
	const char *name;
} names[] = {
#define N(e) { e, #e }
	N(EPERM), N(ENOENT), N(ESRCH), N(EINTR), N(EIO), N(ENXIO), N(E2BIG), N(ENOEXEC), N(EBADF), N(ECHILD), N(EAGAIN),
	N(ENOMEM), N(EACCES), N(EFAULT), N(EBUSY), N(EEXIST), N(EXDEV), N(ENODEV), N(ENOTDIR), N(EISDIR), N(EINVAL),
	N(ENFILE), N(EMFILE), N(ENOTTY), N(ETXTBSY), N(EFBIG), N(ENOSPC), N(ESPIPE), N(EROFS), N(EPIPE), N(EDOM),
	N(ERANGE), N(EDEADLK), N(ENAMETOOLONG), N(ENOLCK), N(ENOSYS), N(ELOOP), N(ENODATA), N(EPROTO), N(EBADMSG),
	N(EOVERFLOW), N(EILSEQ), N(EMSGSIZE), N(EPROTONOSUPPORT), N(EOPNOTSUPP), N(EADDRNOTAVAIL), N(ENOBUFS),
	N(ETIMEDOUT), N(EALREADY), N(EINPROGRESS), N(ESTALE), N(EDQUOT), N(ECANCELED), N(ENOKEY), N(EKEYREJECTED),
	N(EHWPOISON), N(ENOMSG), N(EBADFD), N(EUCLEAN), N(ENOTEMPTY),
#undef N
};

const char *errno_name(int error)
{
	static char unknown[16];

	if (!error)
		return "";
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == error)
			return names[i].name;
	snprintf(unknown, sizeof unknown, "E%d", error);
	return unknown;
}

double now(void)
{
	struct timespec t = { 0, 0 };

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

uint32_t crc32_of(const void *data, size_t size)
{
	static uint32_t table[256];
	const uint8_t *p = data;
	uint32_t crc = 0xffffffffu;

	if (!table[1])
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t c = i;
			for (int k = 0; k < 8; k++)
				c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
			table[i] = c;
		}
	while (size--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
	return ~crc;
}

bool port_open(const char *path)
{
	struct termios t;

	/* The driver may register its ports after init starts. */
	for (int tries = 0; tries < 1000; tries++) {
		/* Not blocking: no wait for a carrier. */
		port_fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (port_fd >= 0)
			break;
		nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	if (port_fd < 0)
		return false;
	if (!tcgetattr(port_fd, &t)) { /* no terminal (a virtio port): nothing to set */
		cfmakeraw(&t);
		t.c_cflag |= CLOCAL | CREAD;
		cfsetispeed(&t, B115200);
		cfsetospeed(&t, B115200);
		tcsetattr(port_fd, TCSANOW, &t);
	}
	int flags = fcntl(port_fd, F_GETFL);
	if (flags >= 0)
		fcntl(port_fd, F_SETFL, flags & ~O_NONBLOCK);
	return true;
}

void port_drain(void)
{
	if (port_fd >= 0)
		while (tcdrain(port_fd) && errno == EINTR)
			;
}

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text + length, sizeof text - length, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof text - length)
		overflow = true;
	else
		length += (size_t)n;
}

static size_t escaped(unsigned char c, char out[8])
{
	if (c == '"' || c == '\\')
		return (size_t)snprintf(out, 8, "\\%c", c);
	if (c < 0x20 || c > 0x7e)
		return (size_t)snprintf(out, 8, "\\u%04x", c);
	out[0] = (char)c;
	return 1;
}

static void add_escaped(const char *value, size_t most)
{
	char out[8];

	for (; *value; value++) {
		size_t n = escaped((unsigned char)*value, out);
		if (n > most)
			return;
		if (length + n >= sizeof text) {
			overflow = true;
			return;
		}
		memcpy(text + length, out, n);
		length += n;
		most -= n;
	}
	text[length] = 0;
}

void rec_begin(const char *kind)
{
	length = 0;
	overflow = false;
	snprintf(kind_of, sizeof kind_of, "%s", kind);
	add("%lu {\"k\":\"%s\",\"t\":%.6f", sequence, kind, now());
}

void rec_str(const char *key, const char *value, size_t most)
{
	add(",\"%s\":\"", key);
	add_escaped(value, most);
	add("\"");
}

void rec_text(const char *key, const char *value)
{
	rec_str(key, value, 512);
}

void rec_int(const char *key, int64_t value)
{
	add(",\"%s\":%lld", key, (long long)value);
}

void rec_hex(const char *key, uint64_t value)
{
	add(",\"%s\":\"0x%llx\"", key, (unsigned long long)value);
}

void rec_hash(const char *key, uint64_t value)
{
	add(",\"%s\":\"%016llx\"", key, (unsigned long long)value);
}

void rec_bool(const char *key, bool value)
{
	add(",\"%s\":%s", key, value ? "true" : "false");
}

void rec_float(const char *key, double value)
{
	add(",\"%s\":%.6f", key, value);
}

void rec_errno(const char *key, int error)
{
	rec_text(key, errno_name(error));
}

void rec_list_begin(const char *key)
{
	add(",\"%s\":[", key);
	first_item = true;
}

bool rec_list_item(const char *value, size_t until)
{
	size_t start = length;

	add(first_item ? "\"" : ",\"");
	add_escaped(value, RECORD_MAX);
	add("\"");
	if (length > until) {
		length = start;
		text[length] = 0;
		overflow = false;
		return false;
	}
	first_item = false;
	return true;
}

void rec_list_end(void)
{
	add("]");
}

static void put(const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(port_fd, data, size);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return; /* nobody left to tell */
		data += n;
		size -= (size_t)n;
	}
}

void rec_end(void)
{
	static char line[sizeof text + 32];
	const char *json;
	int n;

	add("}");
	json = strchr(text, '{');
	if (overflow || !json || length - (size_t)(json - text) > RECORD_MAX) {
		char kind[32];
		memcpy(kind, kind_of, sizeof kind);
		if (strcmp(kind, "fail"))
			fail(EMSGSIZE, "a record '%s' is too long to be sent", kind);
		return;
	}
	n = snprintf(line, sizeof line, "Q1 %.*s %08x %s\n", (int)(json - 1 - text), text, crc32_of(text, length), json);
	sequence++;
	if (n > 0)
		put(line, (size_t)n);
}

void fail(int error, const char *format, ...)
{
	char what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	rec_begin("fail");
	rec_str("what", what, 2000);
	rec_errno("errno", error);
	rec_end();
}
