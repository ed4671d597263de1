/* SPDX-License-Identifier: Apache-2.0 */
/* Memory files: made as the plan says, and compared with it. */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define THP "/sys/kernel/mm/transparent_hugepage/"

static uint8_t buffer[1 << 20] __attribute__((aligned(4096)));

struct window {
	uint8_t *data;
	const struct file *f;
	uint64_t offset;
	size_t size;
	struct compare *c;
};

static void fill_window(void *arg)
{
	struct window *w = arg;

	contents_fill(w->data, w->f->seed, w->offset, w->size);
}

static void compare_window(void *arg)
{
	struct window *w = arg;

	compare_piece(w->c, buffer, w->data, w->offset, w->size);
}

/* Maps the bytes [offset, offset + size), lets fn have them. 0 or errno. */
static int with_window(const struct file *f, int fd, int protection, uint64_t offset, size_t size, struct compare *c,
		       void (*fn)(void *))
{
	uint64_t unit = f->hugetlb ? f->hugetlb : (uint64_t)sysconf(_SC_PAGESIZE), start = offset / unit * unit;
	size_t whole = (size_t)((offset + size - start + unit - 1) / unit * unit);
	uint8_t *map = mmap(NULL, whole, protection, MAP_SHARED | MAP_POPULATE, fd, (off_t)start);
	struct window w = { map + (offset - start), f, offset, size, c };
	bool done;

	if (map == MAP_FAILED)
		return errno;
	done = guarded(fn, &w);
	munmap(map, whole);
	return done ? 0 : EFAULT;
}

static int write_extent(const struct file *f, int fd, uint64_t offset, uint64_t end)
{
	while (offset < end) {
		size_t n = end - offset < WINDOW ? (size_t)(end - offset) : WINDOW - offset % WINDOW;
		if (n > end - offset)
			n = (size_t)(end - offset);
		if (f->order) { /* write() is what asks for large folios of every order */
			contents_fill(buffer, f->seed, offset, n);
			for (size_t at = 0; at < n;) {
				ssize_t r = pwrite(fd, buffer + at, n - at, (off_t)(offset + at));
				if (r < 0 && errno == EINTR)
					continue;
				if (r <= 0)
					return r ? errno : EIO;
				at += (size_t)r;
			}
		} else {
			int error = with_window(f, fd, PROT_READ | PROT_WRITE, offset, n, NULL, fill_window);
			if (error)
				return error;
		}
		offset += n;
	}
	return 0;
}

/* Everything but the holes, so that nothing is allocated in them. */
static int write_all(const struct file *f, int fd)
{
	uint64_t at = 0;
	int error = 0;

	for (size_t i = 0; i < f->hole_count && !error; i++) {
		error = write_extent(f, fd, at, f->holes[i].start);
		at = f->holes[i].start + f->holes[i].size;
	}
	return error ? error : write_extent(f, fd, at, f->size);
}

/* Asks for folios of one order; whether they are to be had is the kernel's matter. */
static void ask_order(uint32_t order)
{
	static uint32_t asked;
	unsigned long wanted = (unsigned long)(sysconf(_SC_PAGESIZE) / 1024) << order, size;
	DIR *dir;
	struct dirent *e;
	char path[PATH_MAX], end;

	if (order == asked)
		return;
	asked = order;
	write_text(THP "shmem_enabled", order ? "always" : "never");
	if (!(dir = opendir(THP)))
		return;
	while ((e = readdir(dir))) {
		if (sscanf(e->d_name, "hugepages-%luk%c", &size, &end) != 2 || end != 'B')
			continue;
		snprintf(path, sizeof path, THP "%s/shmem_enabled", e->d_name);
		write_text(path, order && size == wanted ? "always" : "never");
	}
	closedir(dir);
}

/* More pages in the pool: as many as this file needs. */
static void reserve_pages(const struct file *f)
{
	char path[128], number[32];
	uint8_t *data;

	snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages",
		 (unsigned long long)(f->hugetlb / 1024));
	if (read_whole(path, 4096, &data) < 0)
		return; /* memfd_create will say that there are no such pages */
	snprintf(number, sizeof number, "%llu",
		 strtoull((char *)data, NULL, 10) + (unsigned long long)((f->size + f->hugetlb - 1) / f->hugetlb));
	free(data);
	write_text(path, number);
}

int memfd_make(const struct file *f, const char **step, int *fd)
{
	int error = 0;

	if (f->hugetlb)
		reserve_pages(f);
	else
		ask_order(f->order);
	*step = "memfd_create";
	*fd = memfd_create("qualify", f->create);
	if (*fd < 0)
		return errno;
	*step = "ftruncate";
	if (ftruncate(*fd, (off_t)f->size))
		error = errno;
	if (!error) {
		*step = "write";
		error = write_all(f, *fd);
	}
	if (!error && f->seals) {
		*step = "seal";
		if (fcntl(*fd, F_ADD_SEALS, f->seals))
			error = errno;
	}
	if (!error) {
		*step = "seek";
		if (lseek(*fd, (off_t)f->position, SEEK_SET) < 0)
			error = errno;
	}
	if (error) {
		close(*fd);
		*fd = -1;
		return error;
	}
	*step = "";
	return 0;
}

/* Whether the file has nothing there: touching a hole through a mapping would fill it, and with many, memory. */
static bool is_hole(int fd, uint64_t offset, size_t size)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + size;
}

int memfd_compare(const struct file *f, int fd, struct compare *c)
{
	static uint8_t nothing[sizeof buffer]; /* never written; const would put its zeros into the binary */
	int error = 0;

	compare_begin(c);
	for (uint64_t at = 0; at < f->size && !error; at += WINDOW) {
		size_t n = f->size - at < WINDOW ? (size_t)(f->size - at) : WINDOW;
		contents_fill(buffer, f->seed, at, n);
		contents_holes(buffer, at, n, f->holes, f->hole_count);
		if (is_hole(fd, at, n))
			compare_piece(c, buffer, nothing, at, n);
		else
			error = with_window(f, fd, PROT_READ, at, n, c, compare_window);
	}
	compare_end(c);
	return error;
}

void memfd_holes(int fd, uint64_t size, char *text, size_t text_size)
{
	size_t length = 0;
	off_t at = 0;

	snprintf(text, text_size, "none");
	while ((uint64_t)at < size) {
		char piece[64];
		off_t hole = lseek(fd, at, SEEK_HOLE), data;
		if (hole < 0) {
			snprintf(text, text_size, "unknown");
			return;
		}
		if ((uint64_t)hole >= size)
			return;
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0 || (uint64_t)data > size)
			data = (off_t)size; /* ENXIO: nothing but a hole up to the end */
		size_t n = (size_t)snprintf(piece, sizeof piece, "%s%lld+%lld", length ? "," : "", (long long)hole,
					    (long long)(data - hole));
		if (length + n + 4 >= text_size) {
			memcpy(text + length, "...", 4);
			return;
		}
		memcpy(text + length, piece, n + 1);
		length += n;
		if (data <= hole)
			return; /* an answer that would not end */
		at = data;
	}
}
