/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel answers: ioctls it knows, kinds of file it takes. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static void try_ioctl(const char *kind, int fd, const char *name, unsigned int request)
{
	/* No argument at all: EFAULT from a call that is known, before anything is done or checked; EINVAL or ENOTTY
	 * from one that is not (luo_ioctl() in kernel/liveupdate/luo_core.c, luo_session_ioctl() in luo_session.c). */
	int error = ioctl(fd, request, NULL) < 0 ? errno : 0;

	rec_begin("ioctl");
	rec_text("fd", kind);
	rec_text("name", name);
	rec_hex("nr", request);
	rec_errno("errno", error);
	rec_end();
}

/* A small file of the kind, -1 and errno without. */
static int make(unsigned int kind)
{
	static const struct file huge = { .size = 2 << 20, .create = MFD_CLOEXEC | MFD_HUGETLB, .hugetlb = 2 << 20 };
	static const struct file plain = { .size = 4096, .create = MFD_CLOEXEC };
	const char *step;
	int fd = -1, error;

	switch (kind) {
	case 0:
	case 1:
		error = memfd_make(kind ? &huge : &plain, &step, &fd);
		if (error)
			errno = error;
		return fd;
	case 2:
		return open("/tmp/qualify-probe", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	case 3:
		return eventfd(0, EFD_CLOEXEC);
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

void probe_interfaces(int device)
{
	static const struct {
		const char *name;
		unsigned int request;
		bool session;
	} calls[] = {
		{ "CREATE_SESSION", LUO_CREATE_SESSION, false }, { "RETRIEVE_SESSION", LUO_RETRIEVE_SESSION, false },
		{ "?", 0xba02, false },                          { "?", 0xba03, false },
		{ "PRESERVE_FD", LUO_PRESERVE_FD, true },        { "RETRIEVE_FD", LUO_RETRIEVE_FD, true },
		{ "FINISH", LUO_FINISH, true },                  { "GET_NAME", LUO_GET_NAME, true },
		{ "?", 0xba44, true },                           { "?", 0xba45, true },
	};
	static const char *const kinds[] = { "memfd", "hugetlb", "tmpfs", "eventfd", "null" };
	int session = -1, error;

	if (device < 0)
		return;
	error = luo_session(device, LUO_CREATE_SESSION, "qualify-probe", &session);
	rec_begin("probe-session");
	rec_errno("errno", error);
	rec_end();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!calls[i].session || session >= 0)
			try_ioctl(calls[i].session ? "session-out" : "device", calls[i].session ? session : device,
				  calls[i].name, calls[i].request);
	for (unsigned int i = 0; session >= 0 && i < sizeof kinds / sizeof *kinds; i++) {
		int fd = make(i), made = fd < 0 ? errno : 0;
		error = made;
		if (!made) {
			int given = fd;
			error = luo_file(session, LUO_PRESERVE_FD, i + 1, &given);
		}
		rec_begin("handler");
		rec_text("type", kinds[i]);
		rec_errno("errno", error);
		rec_errno("made", made);
		rec_end();
		if (fd >= 0)
			close(fd);
	}
	if (session >= 0)
		close(session); /* gives up what was preserved for the probe */
}
