/* SPDX-License-Identifier: Apache-2.0 */
/* A walker of flattened device trees that trusts nothing: every offset is checked before it is used. */
#include "agent.h"

#include <string.h>

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9 };

struct tree {
	const uint8_t *data; /* the structure block */
	uint32_t size, at;
	const uint8_t *strings;
	uint32_t strings_size;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool word(struct tree *t, uint32_t *value)
{
	if (t->size - t->at < 4)
		return false;
	*value = be32(t->data + t->at);
	t->at += 4;
	return true;
}

/* Goes over n bytes and the padding behind them. */
static bool skip(struct tree *t, uint32_t n)
{
	if (n > t->size - t->at)
		return false;
	t->at += n;
	uint32_t pad = (4 - t->at % 4) % 4;
	if (pad > t->size - t->at)
		return false;
	t->at += pad;
	return true;
}

static bool inside(uint32_t offset, uint32_t size, uint32_t total)
{
	return offset <= total && size <= total - offset;
}

static bool open_tree(struct tree *t, const uint8_t *blob, size_t length)
{
	if (length < 40 || be32(blob) != 0xd00dfeedu)
		return false;
	uint32_t total = be32(blob + 4), structs = be32(blob + 8), strings = be32(blob + 12);
	uint32_t version = be32(blob + 20), strings_size = be32(blob + 32), structs_size = be32(blob + 36);
	if (version < 17 || total > length || total < 40 || structs % 4)
		return false;
	if (!inside(structs, structs_size, total) || !inside(strings, strings_size, total))
		return false;
	*t = (struct tree){ blob + structs, structs_size, 0, blob + strings, strings_size };
	return true;
}

static bool string_is(const struct tree *t, uint32_t offset, const char *name)
{
	size_t n = strlen(name) + 1;

	return offset < t->strings_size && n <= t->strings_size - offset && !memcmp(t->strings + offset, name, n);
}

enum fdt_answer fdt_region(const uint8_t *blob, size_t length, const char *name, uint64_t *start, uint64_t *size)
{
	struct tree t;
	unsigned int depth = 0;
	bool ours = false, has_start = false, has_size = false;

	if (!open_tree(&t, blob, length))
		return FDT_BROKEN;
	for (;;) {
		uint32_t token, bytes, offset;
		const uint8_t *end;

		if (!word(&t, &token))
			return FDT_BROKEN;
		switch (token) {
		case NOP:
			break;
		case BEGIN_NODE:
			end = memchr(t.data + t.at, 0, t.size - t.at);
			if (!end)
				return FDT_BROKEN;
			bytes = (uint32_t)(end - (t.data + t.at)) + 1;
			if (++depth == 2) {
				ours = bytes == strlen(name) + 1 && !memcmp(t.data + t.at, name, bytes);
				has_start = has_size = false;
			}
			if (!skip(&t, bytes))
				return FDT_BROKEN;
			break;
		case END_NODE:
			if (!depth)
				return FDT_BROKEN;
			if (depth-- == 2 && ours)
				return has_start && has_size ? FDT_FOUND : FDT_BROKEN;
			break;
		case PROP:
			if (!depth || !word(&t, &bytes) || !word(&t, &offset) || bytes > t.size - t.at)
				return FDT_BROKEN;
			if (depth == 2 && ours && bytes == 8) {
				if (string_is(&t, offset, "start")) {
					memcpy(start, t.data + t.at, 8);
					has_start = true;
				} else if (string_is(&t, offset, "size")) {
					memcpy(size, t.data + t.at, 8);
					has_size = true;
				}
			}
			if (!skip(&t, bytes))
				return FDT_BROKEN;
			break;
		case END:
			return depth ? FDT_BROKEN : FDT_ABSENT;
		default:
			return FDT_BROKEN;
		}
	}
}
