// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is inside of a bzImage. A kernel that was built without LUO, or does not unpack, is found
 * out before the devices' lives depend on it. Our kernels are compressed with LZ4 in its legacy
 * frame; into others one cannot look, and they pass. Neither that frame nor the boot protocol has a
 * checksum: what only looks right is for a digest to find.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/sha256.h"

#define SETUP_SECTS_OFF	   0x1f1
#define PAYLOAD_OFFSET_OFF 0x248 /* u32: from the end of the real-mode part */
#define PAYLOAD_LENGTH_OFF 0x24c /* u32 */
#define LZ4_LEGACY	   0x184c2102u
#define LZ4_BLOCK	   (8u << 20) /* uncompressed, at most */
#define KERNEL_MAX	   (512u << 20)

static uint32_t get_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The rest of a length that did not fit into its four bits; false: the input ends. */
static bool more_length(const uint8_t **in, const uint8_t *end, size_t *len)
{
	uint8_t b;

	if (*len != 15)
		return true;
	do {
		if (*in == end)
			return false;
		b = *(*in)++;
		*len += b;
	} while (b == 255);
	return true;
}

/*
 * Copy @n bytes from @back before @to. Each that is read is there by then, and up to seven after
 * them may be written, if there is @room.
 */
static void copy_match(uint8_t *to, size_t back, size_t n, size_t room)
{
	if (back < 8 || room - n < 8) {
		for (size_t i = 0; i < n; i++)
			to[i] = to[i - back];
		return;
	}
	for (size_t i = 0; i < n; i += 8)
		memcpy(to + i, to + i - back, 8);
}

/* One block of the LZ4 block format; bytes written, or -1: it makes no sense. */
static ssize_t lz4_block(const uint8_t *in, size_t size, uint8_t *out, size_t room)
{
	const uint8_t *end = in + size;
	size_t at = 0;

	while (in < end) {
		size_t literals = *in >> 4, match = *in & 15, back;

		in++;
		if (!more_length(&in, end, &literals) || literals > (size_t)(end - in) ||
		    literals > room - at)
			return -1;
		memcpy(out + at, in, literals);
		at += literals;
		in += literals;
		if (in == end)
			return (ssize_t)at;
		if (end - in < 2)
			return -1;
		back = in[0] | (size_t)in[1] << 8;
		in += 2;
		if (!more_length(&in, end, &match))
			return -1;
		match += 4;
		if (!back || back > at || match > room - at)
			return -1;
		copy_match(out + at, back, match, room - at);
		at += match;
	}
	return -1;
}

static bool unpack(const uint8_t *in, size_t size, uint8_t *out, size_t want)
{
	size_t at = 0;

	while (size >= 4) {
		size_t block = get_le32(in), room = want - at;
		ssize_t n;

		in += 4;
		size -= 4;
		if (block > size)
			return false;
		n = lz4_block(in, block, out + at, room < LZ4_BLOCK ? room : LZ4_BLOCK);
		if (n < 0)
			return false;
		at += (size_t)n;
		in += block;
		size -= block;
	}
	return !size && at == want;
}

/* Names of boot parameters, as they stand in a kernel that has them. */
static const char *lacks(const uint8_t *kernel, size_t size)
{
	if (!memmem(kernel, size, "\0kho\0", 5))
		return "kexec handover (KHO)";
	if (!memmem(kernel, size, "\0liveupdate\0", 12))
		return "the live update orchestrator (LUO)";
	return NULL;
}

static int check_lz4(const uint8_t *payload, size_t size, char *why, size_t why_size)
{
	/* The kernel's build appends the size. */
	size_t want = get_le32(payload + size - 4);
	const char *what = NULL;
	uint8_t *kernel;
	int err = 0;

	if (want > KERNEL_MAX || want < 4)
		goto damaged;
	kernel = malloc(want);
	if (!kernel) {
		snprintf(why, why_size, "no memory to look into it (%zu bytes)", want);
		return -ENOMEM;
	}
	if (!unpack(payload + 4, size - 8, kernel, want) || memcmp(kernel, "\177ELF", 4))
		err = -EBADMSG;
	else
		what = lacks(kernel, want);
	free(kernel);
	if (what) {
		snprintf(why, why_size,
			 "it was built without %s: it would not keep the devices alive", what);
		return -EINVAL;
	}
	if (!err)
		return 0;
damaged:
	snprintf(why, why_size, "the image is damaged: what is compressed in it does not unpack");
	return -EBADMSG;
}

/* The whole file; not mapped, as a network file system would fetch it page by page. */
static int read_all(int fd, uint8_t **ret, size_t *ret_size)
{
	size_t at = 0, size;
	struct stat st;
	uint8_t *buf;

	if (fstat(fd, &st))
		return -errno;
	size = (size_t)st.st_size;
	buf = malloc(size + 1);
	if (!buf)
		return -ENOMEM;
	while (at < size) {
		ssize_t n = pread(fd, buf + at, size - at, (off_t)at);

		if (n <= 0) {
			int err = n ? -errno : -EIO;

			free(buf);
			return err;
		}
		at += (size_t)n;
	}
	*ret = buf;
	*ret_size = size;
	return 0;
}

static int check_sum(const uint8_t *buf, size_t size, const char *digest, char *why,
		     size_t why_size)
{
	char found[SHA256_HEX];

	sha256_hex(buf, size, found);
	if (!strcasecmp(found, digest))
		return 0;
	snprintf(why, why_size, "the file is damaged: its SHA-256 is %.16s..., not %.16s...", found,
		 digest);
	return -EBADMSG;
}

static int check_kernel(const uint8_t *buf, size_t size, char *why, size_t why_size)
{
	uint64_t offset, length;

	if (size < PAYLOAD_LENGTH_OFF + 4) {
		snprintf(why, why_size, "not a bzImage");
		return -EINVAL;
	}
	offset = 512ull * (1 + (buf[SETUP_SECTS_OFF] ? buf[SETUP_SECTS_OFF] : 4)) +
		 get_le32(buf + PAYLOAD_OFFSET_OFF);
	length = get_le32(buf + PAYLOAD_LENGTH_OFF);
	if (offset > size || length > size - offset) {
		snprintf(why, why_size, "the image is damaged: its kernel lies outside of it");
		return -EBADMSG;
	}
	if (length >= 12 && get_le32(buf + offset) == LZ4_LEGACY)
		return check_lz4(buf + offset, length, why, why_size);
	return 0;
}

int check_payload(int fd, const char *digest, char *why, size_t why_size)
{
	uint8_t *buf;
	size_t size;
	int err;

	err = read_all(fd, &buf, &size);
	if (err)
		return err;
	if (digest[0])
		err = check_sum(buf, size, digest, why, why_size);
	if (!err)
		err = check_kernel(buf, size, why, why_size);
	free(buf);
	return err;
}

int check_digest(int fd, const char *digest, char *why, size_t why_size)
{
	uint8_t *buf;
	size_t size;
	int err;

	err = read_all(fd, &buf, &size);
	if (err)
		return err;
	err = check_sum(buf, size, digest, why, why_size);
	free(buf);
	return err;
}
