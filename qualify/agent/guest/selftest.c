/* SPDX-License-Identifier: Apache-2.0 */
/* In place of main.c: lets tests reach the agent's parts on the host. Not in the agent.
 *
 * Inputs come on stdin, each as a 32-bit length (native order) and its bytes, in memory of just that size so that a
 * sanitizer sees what reads beyond. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *next(uint32_t *size)
{
	char *data;

	if (fread(size, sizeof *size, 1, stdin) != 1)
		return NULL;
	data = malloc(*size ? *size : 1);
	if (!data || fread(data, 1, *size, stdin) != *size)
		exit(2);
	return data;
}

static int contents(char **args)
{
	uint64_t seed = strtoull(args[0], NULL, 0), offset = strtoull(args[1], NULL, 0);
	size_t size = strtoull(args[2], NULL, 0);
	struct hole hole = { strtoull(args[3], NULL, 0), strtoull(args[4], NULL, 0) };
	uint8_t *data = malloc(size ? size : 1);

	if (!data)
		return 2;
	contents_fill(data, seed, offset, size);
	contents_holes(data, offset, size, &hole, 1);
	return fwrite(data, 1, size, stdout) != size;
}

static int compare(char **args)
{
	uint32_t want_size, seen_size;
	char *want = next(&want_size), *seen = next(&seen_size);
	size_t piece = strtoull(args[0], NULL, 0);
	struct compare c;

	if (!want || !seen || want_size != seen_size)
		return 2;
	compare_begin(&c);
	for (size_t at = 0; at < want_size; at += piece)
		compare_piece(&c, (uint8_t *)want + at, (uint8_t *)seen + at, at,
			      want_size - at < piece ? want_size - at : piece);
	compare_end(&c);
	printf("%016llx %016llx %lld %lld\n", (unsigned long long)c.want, (unsigned long long)c.seen, (long long)c.bad,
	       (long long)c.first_bad);
	return 0;
}

static int fdt(char **args)
{
	static const char *const answers[] = { "found", "absent", "broken" };
	uint32_t size;
	char *blob;

	while ((blob = next(&size))) {
		uint64_t start = 0, bytes = 0;
		enum fdt_answer answer = fdt_region((uint8_t *)blob, size, args[0], &start, &bytes);
		printf("%s %llu %llu\n", answers[answer], (unsigned long long)start, (unsigned long long)bytes);
		free(blob);
	}
	return 0;
}

static void print_plan(const struct plan *p)
{
	for (size_t i = 0; i < p->session_count; i++)
		printf("session %llu [%s]\n", (unsigned long long)p->sessions[i].id, p->sessions[i].name);
	for (size_t i = 0; i < p->file_count; i++) {
		const struct file *f = &p->files[i];
		printf("file %llu %llu %llu %llu %llu %u %u %u %llu", (unsigned long long)p->sessions[f->session].id,
		       (unsigned long long)f->token, (unsigned long long)f->size, (unsigned long long)f->position,
		       (unsigned long long)f->seed, f->create, f->seals, f->order, (unsigned long long)f->hugetlb);
		for (size_t h = 0; h < f->hole_count; h++)
			printf(" %llu+%llu", (unsigned long long)f->holes[h].start, (unsigned long long)f->holes[h].size);
		printf("\n");
	}
	for (size_t i = 0; i < p->region_count; i++)
		printf("region %llu [%s] %llu %llu %d\n", (unsigned long long)p->regions[i].id, p->regions[i].name,
		       (unsigned long long)p->regions[i].size, (unsigned long long)p->regions[i].seed, p->regions[i].edges);
	if (p->has_load)
		printf("load [%s] [%s] [%s] %d\n", p->image, p->initrd ? p->initrd : "", p->cmdline, p->crash);
	printf("finalise %d blobs %d\n", p->finalise, p->blobs);
}

static int plans(char **args)
{
	uint32_t size;
	char *text, why[300] = "";

	while ((text = next(&size))) {
		struct plan p;
		if (!plan_parse(text, size, &p, why, sizeof why)) {
			for (char *c = why; *c; c++)
				if (*c == '\n')
					*c = '?';
			printf("no: %s\n", why);
		} else if (!strcmp(args[0], "show")) {
			print_plan(&p);
		} else {
			printf("ok\n");
		}
		for (size_t i = 0; i < p.file_count; i++)
			free(p.files[i].holes);
		free(p.sessions);
		free(p.files);
		free(p.regions);
		free(text);
	}
	return 0;
}

/* Every input as a string of a record, and one record that cannot be sent. */
static int records(char **args)
{
	uint32_t size;
	char *data;

	(void)args;
	port_fd = STDOUT_FILENO;
	rec_begin("hello");
	rec_end();
	while ((data = next(&size))) {
		char *text = calloc(1, (size_t)size + 1);
		if (!text)
			return 2;
		memcpy(text, data, size);
		rec_begin("text");
		rec_str("value", text, 3000);
		rec_errno("errno", (int)size);
		rec_int("least", INT64_MIN);
		rec_hash("hash", UINT64_MAX);
		rec_end();
		free(data);
		free(text);
	}
	rec_begin("huge");
	for (int i = 0; i < 40; i++)
		rec_text("padding", "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
				    "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp");
	rec_end();
	blob_file("/proc/self/exe", "self");
	blob_file("/nowhere", "nowhere");
	rec_begin("end");
	rec_end();
	return 0;
}

static int fault_count;

static void fault(void *arg)
{
	fault_count++;
	*(volatile int *)arg = 1;
}

static int guard(char **args)
{
	bool first, second, third;
	int here = 0;

	(void)args;
	catch_signals();
	first = guarded(fault, (void *)(uintptr_t)4096);
	second = guarded(fault, &here);
	third = guarded(fault, (void *)(uintptr_t)4096); /* once more: the handler must still be in place */
	printf("%d %d %d %d %d\n", first, second, third, here, fault_count);
	return 0;
}

/* Makes the file of each plan on stdin here, and says what is found of it. */
static int files(char **args)
{
	uint32_t size;
	char *text, why[300], holes[1024];

	catch_signals();
	while ((text = next(&size))) {
		struct plan p;
		struct compare c;
		if (!plan_parse(text, size, &p, why, sizeof why) || !p.file_count)
			return 2;
		const char *step;
		int fd, error = memfd_make(p.files, &step, &fd);
		if (error) {
			printf("%s %s\n", errno_name(error), step);
			continue;
		}
		p.files->seed += strtoull(args[0], NULL, 0);
		long long position = (long long)lseek(fd, 0, SEEK_CUR);
		memfd_holes(fd, p.files->size, holes, sizeof holes);
		error = memfd_compare(p.files, fd, &c);
		struct stat st = { 0 };
		fstat(fd, &st); /* afterwards: comparing must not fill what was never written */
		printf("[%s] %lld %lld %lld %s %016llx %016llx %lld\n", errno_name(error), position,
		       (long long)c.bad, (long long)c.first_bad, holes, (unsigned long long)c.want,
		       (unsigned long long)c.seen, (long long)st.st_blocks * 512);
		close(fd);
	}
	return 0;
}

int main(int count, char **args)
{
	static const struct {
		const char *name;
		int (*run)(char **);
		int arguments;
	} modes[] = { { "contents", contents, 5 }, { "compare", compare, 1 }, { "fdt", fdt, 1 },  { "plan", plans, 1 },
		      { "records", records, 0 },   { "guard", guard, 0 },     { "files", files, 1 } };

	for (size_t i = 0; count > 1 && i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, args[1]) && count == modes[i].arguments + 2)
			return modes[i].run(args + 2);
	return 3;
}
