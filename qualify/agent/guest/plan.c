/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: one instruction a line, "verb key=value ...", parsed strictly. */
#include "agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEYS 16

struct pair {
	char *key, *value;
	bool used;
};

struct line {
	unsigned int number;
	struct pair pairs[MAX_KEYS];
	size_t count;
	char *why;
	size_t why_size;
	bool bad;
};

static void wrong(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct line *l, const char *format, ...)
{
	va_list args;
	int n;

	if (l->bad) /* the first mistake is the one to tell */
		return;
	l->bad = true;
	n = snprintf(l->why, l->why_size, "plan line %u: ", l->number);
	if (n < 0 || (size_t)n >= l->why_size)
		return;
	va_start(args, format);
	vsnprintf(l->why + n, l->why_size - (size_t)n, format, args);
	va_end(args);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		int high = digit(s[1]), low = high < 0 ? -1 : digit(s[2]);
		if (low < 0 || !(high | low))
			return false;
		*to++ = (char)(high << 4 | low);
		s += 2;
	}
	*to = 0;
	return true;
}

/* Reads a number at *s and leaves *s behind it. */
static bool scan(const char **s, uint64_t *value)
{
	const char *p = *s;
	uint64_t base = 10, v = 0;
	int d;

	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	if ((d = digit(*p)) < 0 || (uint64_t)d >= base)
		return false;
	for (; (d = digit(*p)) >= 0 && (uint64_t)d < base; p++) {
		if (v > (UINT64_MAX - (uint64_t)d) / base)
			return false;
		v = v * base + (uint64_t)d;
	}
	*s = p;
	*value = v;
	return true;
}

static char *take(struct line *l, const char *key)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->pairs[i].key, key)) {
			l->pairs[i].used = true;
			return l->pairs[i].value;
		}
	return NULL;
}

static char *need(struct line *l, const char *key)
{
	char *value = take(l, key);

	if (!value)
		wrong(l, "no '%s'", key);
	return value;
}

static uint64_t number(struct line *l, const char *key, bool required, uint64_t most)
{
	const char *value = required ? need(l, key) : take(l, key), *s = value;
	uint64_t n = 0;

	if (!value)
		return 0;
	if (!scan(&s, &n) || *s || n > most) {
		wrong(l, "%s=%.60s: a number up to %llu is wanted", key, value, (unsigned long long)most);
		return 0;
	}
	return n;
}

static void name_of(struct line *l, char name[65])
{
	const char *value = need(l, "name");

	if (!value)
		return;
	if (strlen(value) > 64)
		wrong(l, "a name of more than 64 bytes");
	else
		memcpy(name, value, strlen(value) + 1);
}

/* One of three words; their place in the list, 0 on a mistake. */
static unsigned int choice(struct line *l, const char *key, const char *const words[], unsigned int count)
{
	const char *value = need(l, key);

	for (unsigned int i = 0; value && i < count; i++)
		if (!strcmp(value, words[i]))
			return i;
	if (value)
		wrong(l, "%s=%.60s is not known", key, value);
	return 0;
}

static void *more(struct line *l, void *array, size_t count, size_t size)
{
	void *grown = array;

	if (!(count & (count - 1))) /* doubled at every power of two */
		grown = realloc(array, (count ? 2 * count : 1) * size);
	if (!grown) {
		wrong(l, "no memory");
		return NULL;
	}
	memset((char *)grown + count * size, 0, size);
	return grown;
}

static void read_holes(struct line *l, struct file *f)
{
	const char *s = take(l, "holes");
	uint64_t end = 0;

	while (s && *s && !l->bad) {
		struct hole h;
		struct hole *grown;
		if (!scan(&s, &h.start) || *s++ != '+' || !scan(&s, &h.size) || (*s && *s++ != ',') ||
		    h.start < end || !h.size || h.size > f->size || h.start > f->size - h.size) {
			wrong(l, "holes: start+size,... within the size, ascending, is wanted");
			return;
		}
		end = h.start + h.size;
		if (!(grown = more(l, f->holes, f->hole_count, sizeof h)))
			return;
		f->holes = grown;
		f->holes[f->hole_count++] = h;
	}
}

static void read_session(struct line *l, struct plan *plan)
{
	struct session *grown = more(l, plan->sessions, plan->session_count, sizeof *grown), *s;

	if (!grown)
		return;
	plan->sessions = grown;
	s = &plan->sessions[plan->session_count];
	s->fd = -1;
	s->id = number(l, "id", true, UINT32_MAX);
	name_of(l, s->name);
	for (size_t i = 0; i < plan->session_count; i++)
		if (plan->sessions[i].id == s->id)
			wrong(l, "session id %llu twice", (unsigned long long)s->id);
	plan->session_count++;
}

static void read_memfd(struct line *l, struct plan *plan)
{
	struct file *grown = more(l, plan->files, plan->file_count, sizeof *grown), *f;
	uint64_t session;
	size_t i;

	if (!grown)
		return;
	plan->files = grown;
	f = &plan->files[plan->file_count];
	f->fd = -1;
	session = number(l, "session", true, UINT32_MAX);
	f->token = number(l, "token", true, UINT64_MAX);
	f->size = number(l, "size", true, INT64_MAX);
	f->position = number(l, "position", false, INT64_MAX);
	f->create = (uint32_t)number(l, "create", false, UINT32_MAX);
	f->seals = (uint32_t)number(l, "seals", false, UINT32_MAX);
	f->seed = number(l, "seed", true, UINT64_MAX);
	f->order = (uint32_t)number(l, "order", false, 20);
	f->hugetlb = number(l, "hugetlb", false, (uint64_t)1 << 40);
	if (f->hugetlb & (f->hugetlb - 1))
		wrong(l, "hugetlb: a power of two is wanted");
	read_holes(l, f);
	for (i = 0; i < plan->session_count && plan->sessions[i].id != session; i++)
		;
	if (i == plan->session_count)
		wrong(l, "no session %llu above", (unsigned long long)session);
	f->session = i;
	plan->file_count++;
}

static void read_region(struct line *l, struct plan *plan)
{
	static const char *const fills[] = { "full", "edges" };
	struct region *grown = more(l, plan->regions, plan->region_count, sizeof *grown), *r;

	if (!grown)
		return;
	plan->regions = grown;
	r = &plan->regions[plan->region_count];
	r->id = number(l, "id", true, UINT32_MAX);
	name_of(l, r->name);
	r->size = number(l, "size", true, INT64_MAX);
	r->edges = choice(l, "fill", fills, 2) == 1;
	r->seed = number(l, "seed", true, UINT64_MAX);
	plan->region_count++;
}

static void once(struct line *l, bool *seen)
{
	if (*seen)
		wrong(l, "said before");
	*seen = true;
}

static void read_finalise(struct line *l, struct plan *plan)
{
	static const char *const whens[] = { "never", "before-load", "after-load" };

	once(l, &plan->has_finalise);
	plan->finalise = (enum finalise)choice(l, "when", whens, 3);
}

static void read_load(struct line *l, struct plan *plan)
{
	static const char *const kinds[] = { "normal", "crash" };

	once(l, &plan->has_load);
	plan->image = need(l, "image");
	plan->initrd = take(l, "initrd");
	plan->cmdline = need(l, "cmdline");
	plan->crash = choice(l, "kind", kinds, 2) == 1;
}

static void read_want(struct line *l, struct plan *plan)
{
	once(l, &plan->has_want);
	plan->blobs = number(l, "blobs", true, 1);
}

static void read_version(struct line *l, struct plan *plan)
{
	(void)plan;
	if (l->number != 1)
		wrong(l, "'plan' is for the first line");
	else if (number(l, "version", true, UINT32_MAX) != 1)
		wrong(l, "only version=1 is known");
}

static const struct {
	const char *name;
	void (*read)(struct line *, struct plan *);
} verbs[] = {
	{ "plan", read_version },   { "session", read_session }, { "memfd", read_memfd }, { "region", read_region },
	{ "finalise", read_finalise }, { "load", read_load },    { "want", read_want },
};

static void split(struct line *l, char *rest)
{
	while (rest && !l->bad) {
		char *word = strsep(&rest, " "), *equals = strchr(word, '=');
		if (!equals || equals == word) {
			wrong(l, "'%.60s' is not key=value", word);
			return;
		}
		*equals = 0;
		for (size_t i = 0; i < l->count; i++)
			if (!strcmp(l->pairs[i].key, word))
				wrong(l, "'%.60s' twice", word);
		if (!decode(equals + 1))
			wrong(l, "'%.60s': bad %%-encoding", word);
		if (l->count == MAX_KEYS)
			wrong(l, "too many keys");
		else
			l->pairs[l->count++] = (struct pair){ word, equals + 1, false };
	}
}

static void read_line(struct line *l, char *text, struct plan *plan)
{
	char *rest = text, *verb = strsep(&rest, " ");

	if (l->number == 1 && strcmp(verb, "plan"))
		wrong(l, "'plan version=1' is wanted");
	split(l, rest);
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs && !l->bad; i++) {
		if (strcmp(verbs[i].name, verb))
			continue;
		verbs[i].read(l, plan);
		for (size_t k = 0; k < l->count; k++)
			if (!l->pairs[k].used)
				wrong(l, "'%s' does not know the key '%.60s'", verb, l->pairs[k].key);
		return;
	}
	wrong(l, "unknown verb '%.60s'", verb);
}

bool plan_parse(char *text, size_t size, struct plan *plan, char *why, size_t why_size)
{
	struct line l = { .why = why, .why_size = why_size };
	char *rest = text;

	memset(plan, 0, sizeof *plan);
	l.number = 1;
	if (memchr(text, 0, size))
		wrong(&l, "a zero byte");
	else if (!size || text[size - 1] != '\n')
		wrong(&l, "the plan is empty or its last line is cut");
	else
		text[size - 1] = 0;
	for (l.number = 1; rest && !l.bad; l.number++) {
		l.count = 0;
		read_line(&l, strsep(&rest, "\n"), plan);
	}
	return !l.bad;
}
