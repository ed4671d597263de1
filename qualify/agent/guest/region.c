/* SPDX-License-Identifier: Apache-2.0 */
/* reserve_mem regions: found in the memblock tree of debugfs, written and read through /dev/mem. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t buffer[1 << 20] __attribute__((aligned(4096)));

struct place {
	bool found;
	uint64_t address, size;
};

struct window {
	uint8_t *data;
	const struct region *r;
	uint64_t offset;
	size_t size;
	struct compare *c; /* NULL: write */
};

static struct place look_up(const char *path, const char *name)
{
	struct place p = { false, 0, 0 };
	uint8_t *blob;
	ssize_t size = read_whole(path, (size_t)16 << 20, &blob);

	if (size >= 0)
		p.found = fdt_region(blob, (size_t)size, name, &p.address, &p.size) == FDT_FOUND;
	free(blob);
	return p;
}

static void touch(void *arg)
{
	struct window *w = arg;

	if (w->c)
		compare_piece(w->c, buffer, w->data, w->offset, w->size);
	else
		contents_fill(w->data, w->r->seed, w->offset, w->size);
}

/* Writes (c is NULL) or compares the bytes [at, end) of a region at a physical address. 0 or errno. */
static int part(const struct region *r, int fd, uint64_t address, uint64_t at, uint64_t end, struct compare *c)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int protection = c ? PROT_READ : PROT_READ | PROT_WRITE;

	while (at < end) {
		size_t n = end - at < WINDOW ? (size_t)(end - at) : WINDOW;
		uint64_t start = (address + at) / page * page;
		size_t before = (size_t)(address + at - start), whole = (before + n + page - 1) / page * page;
		uint8_t *map;
		if (start > INT64_MAX - whole)
			return EOVERFLOW;
		map = mmap(NULL, whole, protection, MAP_SHARED, fd, (off_t)start);
		if (map == MAP_FAILED)
			return errno;
		if (c)
			contents_fill(buffer, r->seed, at, n);
		struct window w = { map + before, r, at, n, c };
		bool done = guarded(touch, &w);
		munmap(map, whole);
		if (!done)
			return EFAULT;
		at += n;
	}
	return 0;
}

static int all(const struct region *r, uint64_t address, struct compare *c)
{
	int fd, error;

	if (address > UINT64_MAX - r->size)
		return EOVERFLOW;
	fd = open("/dev/mem", (c ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (r->edges && r->size > 2 * EDGE) {
		error = part(r, fd, address, 0, EDGE, c);
		if (!error)
			error = part(r, fd, address, (r->size - EDGE) / 8 * 8, r->size, c);
	} else {
		error = part(r, fd, address, 0, r->size, c);
	}
	close(fd);
	return error;
}

void source_regions(struct plan *plan)
{
	for (size_t i = 0; i < plan->region_count; i++) {
		struct region *r = &plan->regions[i];
		struct place p = look_up("/sys/kernel/debug/kho/out/sub_fdts/memblock", r->name);
		int error = 0;
		bool fits = p.found && p.size >= r->size;

		if (fits)
			error = all(r, p.address, NULL);
		else if (p.found)
			error = ENOSPC;
		r->address = fits ? p.address : 0;
		rec_begin("source-region");
		rec_int("id", (int64_t)r->id);
		rec_text("name", r->name);
		rec_bool("found", p.found);
		rec_hex("address", p.address);
		rec_int("size", (int64_t)p.size);
		rec_bool("written", fits && !error);
		rec_errno("errno", error);
		rec_end();
	}
}

/* Without KHO debugfs shows nothing; then the source's word counts, which do_load() put on the command line. */
static bool hinted(const struct region *r, uint64_t *address)
{
	char key[40], text[32];

	if (exists("/sys/kernel/debug/kho/in"))
		return false;
	snprintf(key, sizeof key, "qualify.region%llu", (unsigned long long)r->id);
	option(key, "", text, sizeof text);
	*address = strtoull(text, NULL, 0);
	return *text;
}

/* Up to 6.18 a kernel shows its own regions once it has finalised; nothing will be handed over from here any more. */
static void look_closer(const struct plan *plan)
{
	if (plan->region_count && !exists("/sys/kernel/debug/kho/out/sub_fdts/memblock") &&
	    exists("/sys/kernel/debug/kho/out/finalize"))
		do_finalise("look");
}

void target_regions(const struct plan *plan)
{
	look_closer(plan);
	for (size_t i = 0; i < plan->region_count; i++) {
		const struct region *r = &plan->regions[i];
		struct place in = look_up("/sys/kernel/debug/kho/in/sub_fdts/memblock", r->name);
		struct place out = look_up("/sys/kernel/debug/kho/out/sub_fdts/memblock", r->name);
		/* what was handed over can be unreadable by now, and the region taken back all the same */
		bool own = !in.found && out.found && exists("/sys/kernel/debug/kho/in/fdt");
		uint64_t address = in.found ? in.address : out.address;
		struct compare c;
		int error = 0;

		bool hint = !in.found && !own && hinted(r, &address);
		bool known = in.found || own || hint;
		compare_begin(&c);
		if (known)
			error = all(r, address, &c);
		compare_end(&c);
		bool readable = known && !error;
		rec_begin("target-region");
		rec_int("id", (int64_t)r->id);
		rec_text("name", r->name);
		rec_bool("in", in.found);
		rec_bool("hinted", hint);
		rec_hex("in_address", hint ? address : in.address);
		rec_int("in_size", (int64_t)in.size);
		rec_bool("out", out.found);
		rec_hex("address", out.address);
		rec_int("size", (int64_t)out.size);
		rec_bool("readable", readable);
		rec_errno("errno", error);
		rec_int("bad", readable ? c.bad : -1);
		rec_int("first_bad", readable ? c.first_bad : -1);
		if (readable) {
			rec_hash("expected", c.want);
			rec_hash("seen", c.seen);
		} else {
			rec_text("expected", "");
			rec_text("seen", "");
		}
		rec_end();
	}
}
