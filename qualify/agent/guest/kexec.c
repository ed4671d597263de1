/* SPDX-License-Identifier: Apache-2.0 */
/* Finalise, load, jump. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_ON_CRASH 0x2UL
#define FILE_NO_INITRAMFS 0x4UL
#define COMMAND_LINE 2048 /* COMMAND_LINE_SIZE of x86, the least of all */

void do_finalise(const char *when)
{
	const char *path = "/sys/kernel/debug/kho/out/finalize";
	bool existed = exists(path);
	int error = write_text(path, "1");

	rec_begin("finalise");
	rec_text("when", when);
	rec_errno("errno", error);
	rec_bool("existed", existed);
	rec_end();
}

/* The plan's command line, and where the regions are: a target without KHO cannot look that up. */
static const char *target_line(const struct plan *plan)
{
	static char line[COMMAND_LINE];
	size_t used = (size_t)snprintf(line, sizeof line, "%s", plan->cmdline);

	for (size_t i = 0; i < plan->region_count && used < sizeof line; i++) {
		const struct region *r = &plan->regions[i];
		char word[64];
		int n = snprintf(word, sizeof word, " qualify.region%llu=0x%llx", (unsigned long long)r->id,
				 (unsigned long long)r->address);
		if (r->address && used + (size_t)n < sizeof line) {
			memcpy(line + used, word, (size_t)n + 1);
			used += (size_t)n;
		}
	}
	return line;
}

int do_load(const struct plan *plan)
{
	const char *line = target_line(plan);
	bool bare = !plan->initrd || !*plan->initrd;
	unsigned long flags = (plan->crash ? FILE_ON_CRASH : 0) | (bare ? FILE_NO_INITRAMFS : 0);
	int image = open(plan->image, O_RDONLY | O_CLOEXEC), error = image < 0 ? errno : 0, initrd = -1;
	double start = now();

	if (error)
		fail(error, "cannot open %s", plan->image);
	if (!error && !bare) {
		initrd = open(plan->initrd, O_RDONLY | O_CLOEXEC);
		error = initrd < 0 ? errno : 0;
		if (error)
			fail(error, "cannot open %s", plan->initrd);
	}
	if (!error) {
		if (syscall(SYS_kexec_file_load, image, initrd, strlen(line) + 1, line, flags))
			error = errno;
		rec_begin("load");
		rec_errno("errno", error);
		rec_float("seconds", now() - start);
		rec_end();
	}
	if (image >= 0)
		close(image);
	if (initrd >= 0)
		close(initrd);
	return error;
}

void do_jump(const struct plan *plan)
{
	rec_begin("jump");
	rec_end();
	port_drain();
	if (plan->crash)
		_exit(1); /* the death of init is the panic that starts the crash kernel */
	reboot(RB_KEXEC);
	int error = errno;
	rec_begin("jump-failed");
	rec_errno("errno", error);
	rec_end();
}
