/* SPDX-License-Identifier: Apache-2.0 */
/* Finalise, load, jump. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_ON_CRASH 0x2UL
#define FILE_NO_INITRAMFS 0x4UL

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

int do_load(const struct plan *plan)
{
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
		if (syscall(SYS_kexec_file_load, image, initrd, strlen(plan->cmdline) + 1, plan->cmdline, flags))
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
