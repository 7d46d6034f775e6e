// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "udrv/host/verify_block.h"
#include "udrv/host/verify_layout.h"
#include "udrv/lib/crc32c.h"

#define BLOCK_MAGIC "UDRVBLK1"
#define CRC_OFF	    28
#define DATA_OFF    32

struct block {
	char magic[8];
	uint64_t index;
	uint64_t seq;
	uint32_t cycle;
	uint32_t crc;
	uint64_t data[(VERIFY_BLOCK - DATA_OFF) / 8];
};

static_assert(sizeof(struct block) == VERIFY_BLOCK, "a block is 4 KiB");

/* Contents of a sequence number: xorshift64, seeded so that neighbours differ in every word. */
static uint64_t data_seed(uint64_t seq)
{
	return seq * 0x9e3779b97f4a7c15u | 1;
}

static uint64_t data_next(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

static uint32_t block_crc(const struct block *b)
{
	static const uint32_t zero;
	uint32_t crc;

	crc = udrv_crc32c(0, b, CRC_OFF);
	crc = udrv_crc32c(crc, &zero, sizeof(zero));
	return udrv_crc32c(crc, b->data, sizeof(b->data));
}

void verify_block_fill(void *buf, uint64_t index, uint64_t seq, uint32_t cycle)
{
	struct block *b = buf;
	uint64_t x = data_seed(seq);

	memcpy(b->magic, BLOCK_MAGIC, sizeof(b->magic));
	b->index = htole64(index);
	b->seq = htole64(seq);
	b->cycle = htole32(cycle);
	for (size_t i = 0; i < sizeof(b->data) / 8; i++) {
		b->data[i] = htole64(x);
		x = data_next(x);
	}
	b->crc = htole32(block_crc(b));
}

int verify_block_check(const void *buf, uint64_t index, uint64_t *ret_seq)
{
	const struct block *b = buf;
	uint64_t x = data_seed(le64toh(b->seq));

	if (memcmp(b->magic, BLOCK_MAGIC, sizeof(b->magic)) || le64toh(b->index) != index ||
	    le32toh(b->crc) != block_crc(b))
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(b->data) / 8; i++) {
		if (le64toh(b->data[i]) != x)
			return -EBADMSG;
		x = data_next(x);
	}
	*ret_seq = le64toh(b->seq);
	return 0;
}
