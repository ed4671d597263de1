/* SPDX-License-Identifier: Apache-2.0 */
/* Contents derived from a seed, and their comparison. qualify/agent/contents.py has the same in numpy. */
#include "agent.h"

#include <string.h>

#define GOLDEN 0x9e3779b97f4a7c15u
#define BASIS 0xcbf29ce484222325u
#define STEP 0xd1342543de82ef95u

static inline uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void contents_fill(uint8_t *to, uint64_t seed, uint64_t offset, size_t size)
{
	uint64_t state = seed + (offset / 8) * GOLDEN, word;
	size_t skip = offset % 8;

	while (size && skip) { /* up to the first whole word */
		size_t n = 8 - skip < size ? 8 - skip : size;
		word = mix(state += GOLDEN);
		memcpy(to, (uint8_t *)&word + skip, n);
		to += n;
		size -= n;
		skip = 0;
	}
	for (; size >= 8; size -= 8, to += 8) {
		word = mix(state += GOLDEN);
		memcpy(to, &word, 8);
	}
	if (size) {
		word = mix(state + GOLDEN);
		memcpy(to, &word, size);
	}
}

void contents_holes(uint8_t *to, uint64_t offset, size_t size, const struct hole *holes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t low = holes[i].start, high = low + holes[i].size;
		if (low < offset)
			low = offset;
		if (high > offset + size)
			high = offset + size;
		if (low < high)
			memset(to + (low - offset), 0, (size_t)(high - low));
	}
}

static inline uint64_t step(uint64_t hash, uint64_t word)
{
	return hash * STEP + (word ^ word >> 32);
}

static uint64_t hash_of(uint64_t hash, const uint8_t *data, size_t size)
{
	uint64_t word;

	for (; size >= 8; size -= 8, data += 8) {
		memcpy(&word, data, 8);
		hash = step(hash, word);
	}
	if (size) {
		word = 0;
		memcpy(&word, data, size);
		hash = step(hash, word);
	}
	return hash;
}

void compare_begin(struct compare *c)
{
	*c = (struct compare){ .want = BASIS, .seen = BASIS, .first_bad = -1 };
}

void compare_piece(struct compare *c, const uint8_t *want, const uint8_t *seen, uint64_t offset, size_t size)
{
	bool equal = !memcmp(want, seen, size);

	c->bytes += size;
	if (equal && !c->differs) { /* the common case: one hash is enough */
		c->want = c->seen = hash_of(c->want, want, size);
		return;
	}
	c->want = hash_of(c->want, want, size);
	c->seen = hash_of(c->seen, seen, size);
	c->differs = true;
	if (equal)
		return;
	for (size_t at = 0; at < size; at += 8) {
		size_t n = size - at < 8 ? size - at : 8;
		if (!memcmp(want + at, seen + at, n))
			continue;
		if (!c->bad++)
			c->first_bad = (int64_t)(offset + at);
	}
}

void compare_end(struct compare *c)
{
	c->want = mix(c->want ^ c->bytes);
	c->seen = mix(c->seen ^ c->bytes);
}
