/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions and files of /dev/liveupdate (ABI: include/uapi/linux/liveupdate.h; the same in all releases that have it). */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct luo_session_args { /* CREATE_SESSION, RETRIEVE_SESSION */
	uint32_t size;
	int32_t fd;
	uint8_t name[64];
};

struct luo_file_args { /* PRESERVE_FD, RETRIEVE_FD */
	uint32_t size;
	int32_t fd;
	uint64_t token;
};

struct luo_name_args { /* GET_NAME; FINISH is its first two members */
	uint32_t size, reserved;
	uint8_t name[64];
};

_Static_assert(sizeof(struct luo_session_args) == 72, "uapi");
_Static_assert(sizeof(struct luo_file_args) == 16, "uapi");
_Static_assert(sizeof(struct luo_name_args) == 72, "uapi");

int luo_open(int *error)
{
	int fd = -1;

	for (int again = 0; again < 2 && fd < 0; again++) {
		fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
		*error = fd < 0 ? errno : 0;
		rec_begin("open");
		rec_errno("errno", *error);
		if (again)
			rec_bool("again", true);
		rec_end();
	}
	return fd;
}

int luo_session(int device, unsigned int request, const char *name, int *fd)
{
	struct luo_session_args args = { .size = sizeof args, .fd = -1 };

	memcpy(args.name, name, strlen(name) < sizeof args.name ? strlen(name) : sizeof args.name);
	*fd = -1;
	if (ioctl(device, request, &args) < 0)
		return errno;
	*fd = args.fd;
	return 0;
}

int luo_file(int session, unsigned int request, uint64_t token, int *fd)
{
	struct luo_file_args args = { .size = sizeof args, .fd = *fd, .token = token };

	if (ioctl(session, request, &args) < 0)
		return errno;
	*fd = args.fd;
	return 0;
}

static int finish(int session)
{
	struct luo_name_args args = { .size = 8 };

	return ioctl(session, LUO_FINISH, &args) < 0 ? errno : 0;
}

static void session_name(int session, char name[65])
{
	struct luo_name_args args = { .size = sizeof args };

	memset(name, 0, 65);
	if (ioctl(session, LUO_GET_NAME, &args) >= 0)
		memcpy(name, args.name, sizeof args.name);
}

static void rec_state(int fd)
{
	struct stat st = { .st_size = -1 };
	int64_t position = fd < 0 ? -1 : (int64_t)lseek(fd, 0, SEEK_CUR);

	if (fd >= 0 && fstat(fd, &st))
		st.st_size = -1;
	rec_int("size", st.st_size);
	rec_int("position", position);
	rec_int("seals", fd < 0 ? -1 : fcntl(fd, F_GET_SEALS));
}

static void preserve(struct file *f, const struct session *s)
{
	const char *step = "session";
	int made = 0, fd = -1;

	if (s->fd < 0) { /* no session to put it into: nothing is made, nothing is asked */
		f->error = EBADF;
	} else {
		made = f->error = memfd_make(f, &step, &f->fd);
		double start = now();
		if (!made) {
			fd = f->fd;
			f->error = luo_file(s->fd, LUO_PRESERVE_FD, f->token, &fd);
		}
		f->seconds = now() - start;
	}
	rec_begin("preserve");
	rec_int("session", (int64_t)s->id);
	rec_hex("token", f->token);
	rec_errno("errno", f->error);
	rec_state(f->fd);
	rec_float("seconds", f->seconds);
	rec_errno("made", made);
	rec_text("step", step);
	rec_end();
}

void source_sessions(struct plan *plan, int device, int error)
{
	for (size_t i = 0; i < plan->session_count; i++) {
		struct session *s = &plan->sessions[i];
		s->error = device < 0 ? error : luo_session(device, LUO_CREATE_SESSION, s->name, &s->fd);
		rec_begin("create-session");
		rec_int("id", (int64_t)s->id);
		rec_errno("errno", s->error);
		if (device < 0)
			rec_text("step", "open");
		rec_end();
		for (size_t k = 0; k < plan->file_count; k++)
			if (plan->files[k].session == i)
				preserve(&plan->files[k], s);
	}
}

static void retrieve(struct file *f, const struct session *s)
{
	double start = now();

	f->fd = -1;
	if (s->fd < 0) {
		f->error = f->again = EBADF;
		return;
	}
	f->error = luo_file(s->fd, LUO_RETRIEVE_FD, f->token, &f->fd);
	f->seconds = now() - start;
	if (f->error) {
		int second = -1;
		f->again = luo_file(s->fd, LUO_RETRIEVE_FD, f->token, &second);
		if (!f->again)
			f->fd = second;
	}
}

static void rec_contents(const struct file *f)
{
	struct compare c = { .bad = -1, .first_bad = -1 };
	struct stat st;
	int error = 0;
	bool compared = f->fd >= 0 && !fstat(f->fd, &st) && (uint64_t)st.st_size == f->size;

	if (compared)
		error = memfd_compare(f, f->fd, &c);
	rec_int("bad", compared && !error ? c.bad : -1);
	rec_int("first_bad", compared && !error ? c.first_bad : -1);
	if (compared && !error) {
		rec_hash("expected", c.want);
		rec_hash("seen", c.seen);
	} else {
		rec_text("expected", "");
		rec_text("seen", "");
	}
	if (error)
		rec_errno("unread", error);
}

static void retrieved(const struct file *f, const struct session *s)
{
	static char holes[1024];
	struct stat st;

	rec_begin("retrieve");
	rec_int("session", (int64_t)s->id);
	rec_hex("token", f->token);
	rec_errno("errno", f->error);
	rec_state(f->fd);
	if (f->fd >= 0) {
		int64_t position = (int64_t)lseek(f->fd, 0, SEEK_CUR);
		rec_bool("cloexec", fcntl(f->fd, F_GETFD) & FD_CLOEXEC);
		snprintf(holes, sizeof holes, "unknown");
		if (!fstat(f->fd, &st) && st.st_size >= 0)
			memfd_holes(f->fd, (uint64_t)st.st_size, holes, sizeof holes);
		if (position >= 0)
			lseek(f->fd, (off_t)position, SEEK_SET);
		rec_str("holes", holes, sizeof holes);
	}
	rec_contents(f);
	rec_float("seconds", f->seconds);
	if (f->error)
		rec_errno("again", f->again);
	if (s->fd < 0)
		rec_text("step", "session");
	rec_end();
}

void target_sessions(struct plan *plan, int device, int error)
{
	char name[65];

	for (size_t i = 0; i < plan->session_count; i++) {
		struct session *s = &plan->sessions[i];
		s->error = device < 0 ? error : luo_session(device, LUO_RETRIEVE_SESSION, s->name, &s->fd);
		memset(name, 0, sizeof name);
		if (s->fd >= 0)
			session_name(s->fd, name);
		rec_begin("retrieve-session");
		rec_int("id", (int64_t)s->id);
		rec_errno("errno", s->error);
		rec_text("named", name);
		if (device < 0)
			rec_text("step", "open");
		rec_end();
	}
	for (size_t i = 0; i < plan->file_count; i++)
		retrieve(&plan->files[i], &plan->sessions[plan->files[i].session]);
	for (size_t i = 0; i < plan->file_count; i++)
		retrieved(&plan->files[i], &plan->sessions[plan->files[i].session]);
	for (size_t i = 0; i < plan->session_count; i++) {
		if (plan->sessions[i].fd < 0)
			continue;
		int result = finish(plan->sessions[i].fd);
		rec_begin("finish");
		rec_int("session", (int64_t)plan->sessions[i].id);
		rec_errno("errno", result);
		rec_end();
	}
}
