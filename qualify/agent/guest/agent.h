/* SPDX-License-Identifier: Apache-2.0 */
/* The guest agent: what its parts offer each other. Sizes and offsets are bytes. */
#ifndef QUALIFY_AGENT_H
#define QUALIFY_AGENT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AGENT_VERSION 1
#define WINDOW ((size_t)1 << 20) /* contents are made and compared this much at a time */
#define EDGE ((uint64_t)64 << 10)
#define BLOB_CHUNK 2700
#define RECORD_MAX 3900

/* --- plan.c --- */
struct hole {
	uint64_t start, size;
};

struct session {
	uint64_t id;
	char name[65];
	int fd;    /* -1: none */
	int error; /* of the call that should have given fd */
};

struct file {
	size_t session; /* index */
	uint64_t token, size, position, seed, hugetlb;
	uint32_t create, seals, order;
	struct hole *holes;
	size_t hole_count;
	int fd;        /* -1: none */
	int error;     /* of PRESERVE_FD or RETRIEVE_FD */
	int again;     /* of a second RETRIEVE_FD */
	double seconds;
};

struct region {
	uint64_t id, size, seed;
	char name[65];
	bool edges;
	uint64_t address; /* on the source, once it was found and is large enough; else 0 */
};

enum finalise { FINALISE_NEVER, FINALISE_BEFORE_LOAD, FINALISE_AFTER_LOAD };

struct plan {
	struct session *sessions;
	struct file *files;
	struct region *regions;
	size_t session_count, file_count, region_count;
	enum finalise finalise;
	bool has_finalise, has_load, has_want, crash, blobs;
	char *image, *initrd, *cmdline;
};

/* False with a sentence in why when the text is no plan. Changes the text. */
bool plan_parse(char *text, size_t size, struct plan *plan, char *why, size_t why_size);

/* --- port.c --- */
extern int port_fd;
bool port_open(const char *path);
void port_drain(void);
double now(void);
const char *errno_name(int error);
uint32_t crc32_of(const void *data, size_t size);

void rec_begin(const char *kind);
void rec_str(const char *key, const char *value, size_t most); /* most: bytes the escaped value may take */
void rec_text(const char *key, const char *value);             /* the same, 512 at most */
void rec_int(const char *key, int64_t value);
void rec_hex(const char *key, uint64_t value);   /* "0x1a" */
void rec_hash(const char *key, uint64_t value);  /* 16 digits */
void rec_bool(const char *key, bool value);
void rec_float(const char *key, double value);
void rec_errno(const char *key, int error); /* 0: "" */
void rec_list_begin(const char *key);
bool rec_list_item(const char *value, size_t until); /* false: no room below that length of the record */
void rec_list_end(void);
void rec_end(void);
void fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- contents.c --- */
struct compare {
	uint64_t want, seen, bytes;
	int64_t bad, first_bad; /* wrong words, and the offset of the first or -1 */
	bool differs;
};

void contents_fill(uint8_t *to, uint64_t seed, uint64_t offset, size_t size);
void contents_holes(uint8_t *to, uint64_t offset, size_t size, const struct hole *holes, size_t count);
void compare_begin(struct compare *c);
/* offset is a multiple of 8; so is size but for the last piece. */
void compare_piece(struct compare *c, const uint8_t *want, const uint8_t *seen, uint64_t offset, size_t size);
void compare_end(struct compare *c);

/* --- fdt.c --- */
enum fdt_answer { FDT_FOUND, FDT_ABSENT, FDT_BROKEN };
/* The node of that name right under the root, with its properties start and size (u64, native order). */
enum fdt_answer fdt_region(const uint8_t *blob, size_t length, const char *name, uint64_t *start, uint64_t *size);

/* --- system.c --- */
extern char command_line[]; /* the kernel's, once it was read */
void read_command_line(void);
/* The value of the last word `key=`, or otherwise */
void option(const char *key, const char *otherwise, char *value, size_t size);
void system_mount(void);
/* Whole file into malloc()ed memory with a 0 behind it; -1 and errno on failure, EFBIG beyond most. */
ssize_t read_whole(const char *path, size_t most, uint8_t **data);
int write_text(const char *path, const char *text); /* 0 or errno */
void system_record(void);
void blob_file(const char *path, const char *name);
void blobs_of(const char *side, const char *as); /* side: in or out; as: the name's first part */
bool exists(const char *path);
/* Runs fn; SIGBUS and SIGSEGV in it end it and make this false. */
bool guarded(void (*fn)(void *), void *arg);
void catch_signals(void);

/* --- memfd.c --- */
int memfd_make(const struct file *f, const char **step, int *fd); /* 0 or errno */
/* Compares what fd holds with the plan; 0 or errno (EFAULT: touching it raised SIGBUS). */
int memfd_compare(const struct file *f, int fd, struct compare *c);
void memfd_holes(int fd, uint64_t size, char *text, size_t text_size);

/* --- liveupdate.c --- */
#define LUO_CREATE_SESSION 0xba00u
#define LUO_RETRIEVE_SESSION 0xba01u
#define LUO_PRESERVE_FD 0xba40u
#define LUO_RETRIEVE_FD 0xba41u
#define LUO_FINISH 0xba42u
#define LUO_GET_NAME 0xba43u
int luo_open(int *error);
int luo_session(int device, unsigned int request, const char *name, int *fd); /* 0 or errno */
int luo_file(int session, unsigned int request, uint64_t token, int *fd);     /* 0 or errno */
void source_sessions(struct plan *plan, int device, int error);
void target_sessions(struct plan *plan, int device, int error);

/* --- region.c --- */
void source_regions(struct plan *plan);
void target_regions(const struct plan *plan);

/* --- probe.c --- */
void probe_interfaces(int device);

/* --- kexec.c --- */
void do_finalise(const char *when);
int do_load(const struct plan *plan);
void do_jump(const struct plan *plan);

#endif
