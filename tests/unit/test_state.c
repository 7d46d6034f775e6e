// SPDX-License-Identifier: BSD-2-Clause
/* State: what is written comes back, whole or not at all, and nothing that is read is believed. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <libfdt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <udrv/state.h>

#include "tests/unit/crash.h"
#include "tests/unit/fake_device.h"
#include "udrv/lib/crc32c.h"
#include "udrv/lib/state_internal.h"

#define SIZE (STATE_AREAS_OFF + 2 * 4096)

static int memfd;
static uint8_t *raw; /* the memfd as an adversary sees it */
static struct fake_log flog;

static void setup(void)
{
	fake_log_init(&flog);
	memfd = memfd_create("state", MFD_CLOEXEC);
	ck_assert_int_ge(memfd, 0);
	ck_assert_int_eq(ftruncate(memfd, SIZE), 0);
	raw = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(raw, MAP_FAILED);
}

static void teardown(void)
{
	munmap(raw, SIZE);
	close(memfd);
}

static struct state_header *header(void)
{
	return (struct state_header *)raw;
}

/* Commit a tree whose property "value" at the root (and again at its end) is @value. */
static int commit_value(struct udrv_state *st, uint64_t value)
{
	void *fdt = udrv_state_edit(st);

	if (!fdt || fdt_setprop_u64(fdt, 0, "value", value) ||
	    fdt_setprop_u64(fdt, 0, "again", value))
		return -EIO;
	return udrv_state_commit(st);
}

/* The value, UINT64_MAX if there is none; both properties agree. */
static uint64_t value_of(const struct udrv_state *st)
{
	uint64_t value = UINT64_MAX, again = UINT64_MAX;

	udrv_fdt_u64(udrv_state_fdt(st), 0, "value", &value);
	udrv_fdt_u64(udrv_state_fdt(st), 0, "again", &again);
	ck_assert_uint_eq(value, again);
	return value;
}

/* A state of generation 2: values 1, then 2; areas "one" and "two". */
static void make_state(void)
{
	struct udrv_state *st;
	void *mem;

	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	ck_assert_int_eq(commit_value(st, 1), 0);
	ck_assert_ptr_nonnull(udrv_state_edit(st));
	ck_assert_int_eq(udrv_state_area_add(st, "one", 100, &mem), 0);
	memset(mem, 0x11, 100);
	ck_assert_int_eq(udrv_state_area_add(st, "two", 4096, &mem), 0);
	memset(mem, 0x22, 4096);
	ck_assert_int_eq(fdt_setprop_u64(udrv_state_editing(st), 0, "value", 2), 0);
	ck_assert_int_eq(fdt_setprop_u64(udrv_state_editing(st), 0, "again", 2), 0);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	udrv_state_set_lifecycle(st, UDRV_READY);
	udrv_state_close(st);
}

static int open_close(void)
{
	struct udrv_state *st;
	int err = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &st);

	if (!err)
		udrv_state_close(st);
	return err;
}

static void sign_header(void)
{
	header()->crc = htole32(udrv_crc32c(0, raw, offsetof(struct state_header, crc)));
}

/* Put a tree into the active copy, with a checksum that is right. */
static void forge(const void *fdt, uint32_t len)
{
	uint32_t generation = (uint32_t)le64toh(header()->active);
	struct state_copy *copy = &header()->copy[generation & 1];
	uint64_t gen_le = htole64(generation);
	uint32_t len_le = htole32(len), crc;

	memcpy(raw + STATE_HEADER_SIZE + (generation & 1) * UDRV_STATE_FDT_MAX, fdt, len);
	crc = udrv_crc32c(0, &gen_le, 8);
	crc = udrv_crc32c(crc, &len_le, 4);
	copy->crc = htole32(udrv_crc32c(crc, fdt, len));
	copy->len = len_le;
	/* The other copy is no way out. */
	header()->copy[~generation & 1].len = 0;
}

START_TEST(crc_known_and_reference)
{
	uint8_t buf[160];

	ck_assert_uint_eq(udrv_crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720's check value */
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 37 + 11);
	for (size_t start = 0; start < 9; start++) {
		for (size_t len = 0; len + start <= sizeof(buf); len++) {
			uint32_t crc = ~0u;

			for (size_t i = 0; i < len; i++) {
				crc ^= buf[start + i];
				for (int bit = 0; bit < 8; bit++)
					crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
			}
			ck_assert_uint_eq(udrv_crc32c(0, buf + start, len), ~crc);
			ck_assert_uint_eq(udrv_crc32c(udrv_crc32c(0, buf + start, len / 3),
						      buf + start + len / 3, len - len / 3),
					  ~crc);
		}
	}
}
END_TEST

START_TEST(round_trip)
{
	struct udrv_state *st;
	uint8_t *one, *two;
	size_t size;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 2);
	ck_assert_uint_eq(value_of(st), 2);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_READY);
	one = udrv_state_area(st, "one", &size);
	ck_assert_ptr_nonnull(one);
	ck_assert_uint_eq(size, 100);
	ck_assert_uint_eq((uintptr_t)one % 64, 0);
	ck_assert_int_eq(one[99], 0x11);
	two = udrv_state_area(st, "two", &size);
	ck_assert_ptr_nonnull(two);
	ck_assert_uint_eq(size, 4096);
	ck_assert_int_eq(two[4095], 0x22);
	ck_assert(two >= one + 100 || one >= two + 4096);
	ck_assert_ptr_null(udrv_state_area(st, "three", NULL));
	ck_assert_int_eq(errno, ENOENT);
	udrv_state_close(st);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN] + flog.count[UDRV_LOG_ERR], 0);
}
END_TEST

START_TEST(words)
{
	struct udrv_state *st, *reader;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_int_eq(udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader), 0);
	for (int lc = UDRV_INIT; lc <= UDRV_CLOSING; lc++) {
		udrv_state_set_lifecycle(st, (enum udrv_lifecycle)lc);
		ck_assert_int_eq(udrv_state_lifecycle(reader), lc);
	}
	header()->lifecycle = htole32(77);
	ck_assert_int_eq(udrv_state_lifecycle(reader), UDRV_RESETTING);
	ck_assert(!udrv_state_updating(reader));
	udrv_state_set_updating(st, true);
	ck_assert(udrv_state_updating(reader));
	udrv_state_set_updating(st, false);
	ck_assert(!udrv_state_updating(reader));
	udrv_state_close(reader);
	udrv_state_close(st);
}
END_TEST

START_TEST(read_only)
{
	struct udrv_state *st;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &st), 0);
	errno = 0;
	ck_assert_ptr_null(udrv_state_edit(st));
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_eq(udrv_state_commit(st), -EROFS);
	udrv_state_set_lifecycle(st, UDRV_INIT); /* would be a SIGSEGV */
	udrv_state_set_updating(st, true);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_READY);
	udrv_state_close(st);
}
END_TEST

START_TEST(misuse)
{
	struct udrv_state *st;
	void *mem, *fdt;
	char name[40];
	int err = 0;

	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 0);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_INIT);
	ck_assert_int_eq(udrv_state_commit(st), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "early", 64, &mem), -EINVAL);
	fdt = udrv_state_edit(st);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 64, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 64, &mem), -EEXIST);
	ck_assert_int_eq(udrv_state_area_add(st, "", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "UPPER", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "a/b", 64, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "abcdefghijklmnopqrstuvwxyz-12345", 64, &mem),
			 -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "zero", 0, &mem), -EINVAL);
	ck_assert_int_eq(udrv_state_area_add(st, "large", SIZE, &mem), -ENOSPC);
	ck_assert_int_eq(udrv_state_area_add(st, "wrap", SIZE_MAX, &mem), -ENOSPC);
	/* A tree that is not one any more is not committed. */
	memset(fdt, 0xff, 64);
	ck_assert_int_eq(udrv_state_commit(st), -EINVAL);
	/*
	 * An area that is not committed does not exist; a full tree is refused and the state lives
	 * on.
	 */
	ck_assert_ptr_null(udrv_state_area(st, "a", NULL));
	udrv_state_edit(st);
	for (int i = 0; !err; i++) {
		snprintf(name, sizeof(name), "area-%d", i);
		err = udrv_state_area_add(st, name, 64, &mem);
	}
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	ck_assert_uint_eq(udrv_state_generation(st), 1);
	udrv_state_close(st);
	ck_assert_int_eq(open_close(), 0);
}
END_TEST

START_TEST(sizes)
{
	struct udrv_state *st;
	void *mem;

	ck_assert_int_eq(ftruncate(memfd, STATE_AREAS_OFF - 1), 0);
	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), -EINVAL);
	ck_assert_int_eq(ftruncate(memfd, (off_t)udrv_state_size(3 * 65, 3)), 0);
	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	udrv_state_edit(st);
	ck_assert_int_eq(udrv_state_area_add(st, "a", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "b", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_area_add(st, "c", 65, &mem), 0);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	udrv_state_close(st);
	ck_assert_int_eq(udrv_state_open(-1, 0, &flog.log, &st), -EBADF);
}
END_TEST

START_TEST(truncated_at_every_byte)
{
	make_state();
	for (off_t size = SIZE; size-- > 0;) {
		ck_assert_int_eq(ftruncate(memfd, size), 0);
		ck_assert_int_eq(open_close(), -EBADMSG);
	}
	/* Cut off and filled with zeros again. */
	ck_assert_int_eq(ftruncate(memfd, SIZE), 0);
	ck_assert_int_eq(open_close(), -EBADMSG);
}
END_TEST

/* Each bit of header and tree copies: a clean failure, or one of the two committed trees. */
START_TEST(bit_flips)
{
	size_t other = STATE_HEADER_SIZE + UDRV_STATE_FDT_MAX; /* generation 1 is in copy 1 */
	size_t from = (size_t)_i * STATE_AREAS_OFF / 8, to = (size_t)(_i + 1) * STATE_AREAS_OFF / 8;
	unsigned int old = 0;

	make_state();
	for (size_t byte = from; byte < to; byte++) {
		for (int bit = 0; bit < 8; bit++) {
			struct udrv_state *st;
			int err;

			raw[byte] ^= 1 << bit;
			err = udrv_state_open(memfd, 0, &flog.log, &st);
			if (byte < 32 || (byte >= 128 && byte < 136))
				ck_assert_int_ne(err, 0);
			if (byte >= other)
				ck_assert_int_eq(err, 0);
			if (err) {
				ck_assert(err == -EBADMSG || err == -EPROTONOSUPPORT);
			} else {
				uint64_t value = value_of(st);

				ck_assert_uint_eq(value, udrv_state_generation(st));
				ck_assert(value == 1 || value == 2);
				old += value == 1;
				if (byte >= other)
					ck_assert_uint_eq(value, 2);
				udrv_state_close(st);
			}
			raw[byte] ^= 1 << bit;
		}
	}
	/* The tree of generation 2 lies in the third of eight slices. */
	if (from <= STATE_HEADER_SIZE && to > STATE_HEADER_SIZE) {
		ck_assert_uint_gt(old, 1000);
		ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], old);
	}
	ck_assert_int_eq(open_close(), 0);
}
END_TEST

static struct udrv_state *crash_st;

static void commit_3(void *ctx)
{
	(void)ctx;
	commit_value(crash_st, 3);
}

START_TEST(crash_in_commit)
{
	bool stopped = true;
	unsigned int n, saw[2] = { 0 };

	for (n = 1; stopped; n++) {
		struct udrv_state *st;

		make_state();
		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &crash_st), 0);
		stopped = crash_after(n, commit_3, NULL);
		udrv_state_close(crash_st);

		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
		ck_assert_uint_eq(value_of(st), udrv_state_generation(st));
		ck_assert(value_of(st) == 2 || value_of(st) == 3);
		saw[value_of(st) - 2]++;
		ck_assert_ptr_nonnull(udrv_state_area(st, "two", NULL));
		/* The successor's commit does not trip over what was left half done. */
		ck_assert_int_eq(commit_value(st, 9), 0);
		udrv_state_close(st);
		ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
		ck_assert_uint_eq(value_of(st), 9);
		udrv_state_close(st);
	}
	ck_assert_uint_gt(n, 5);
	ck_assert_uint_gt(saw[0], 4); /* every step but the last leaves the old tree in force */
	ck_assert_uint_gt(saw[1], 0);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN] + flog.count[UDRV_LOG_ERR], 0);
}
END_TEST

static void format_again(void *ctx)
{
	struct udrv_state *st;

	(void)ctx;
	if (!udrv_state_format(memfd, NULL, &st))
		udrv_state_close(st);
}

START_TEST(crash_in_format)
{
	bool stopped = true;
	unsigned int n, opened = 0;

	for (n = 1; stopped; n++) {
		struct udrv_state *st;
		int err;

		make_state();
		stopped = crash_after(n, format_again, NULL);
		err = udrv_state_open(memfd, 0, NULL, &st);
		if (err) {
			ck_assert_int_eq(err, -EBADMSG);
			ck_assert(stopped);
			continue;
		}
		/* Never the old state's READY with the new state's tree. */
		ck_assert_uint_eq(udrv_state_generation(st), 0);
		ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_INIT);
		ck_assert_ptr_null(udrv_state_area(st, "one", NULL));
		udrv_state_close(st);
		opened++;
	}
	ck_assert_uint_ge(opened, 1);
	ck_assert_uint_gt(n, 6);
}
END_TEST

START_TEST(versions)
{
	uint8_t fdt[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	struct udrv_state *st;

	make_state();
	header()->minor = htole16(7);
	sign_header();
	ck_assert_int_eq(open_close(), 0);
	header()->major = htole16(STATE_MAJOR + 1);
	sign_header();
	ck_assert_int_eq(open_close(), -EPROTONOSUPPORT);
	ck_assert_ptr_nonnull(strstr(flog.last, "newer"));

	/*
	 * The previous major: as much as it had, which was not the updating word and not every
	 * node.
	 */
	header()->major = htole16(STATE_MAJOR - 1);
	header()->minor = 0;
	sign_header();
	ck_assert_int_eq(fdt_create_empty_tree(fdt, sizeof(fdt)), 0);
	ck_assert_int_eq(fdt_setprop_string(fdt, 0, "compatible", "udrv,state-v0"), 0);
	ck_assert_int_eq(fdt_setprop_u64(fdt, 0, "value", 5), 0);
	ck_assert_int_eq(fdt_setprop_u64(fdt, 0, "again", 5), 0);
	fdt_pack(fdt);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_uint_eq(value_of(st), 5);
	ck_assert(!udrv_state_updating(st));
	ck_assert_int_eq(commit_value(st, 6), 0);
	ck_assert_uint_eq(value_of(st), 6);
	udrv_state_close(st);

	ck_assert_int_eq(fdt_open_into(fdt, fdt, sizeof(fdt)), 0);
	ck_assert_int_eq(fdt_setprop_string(fdt, 0, "compatible", "udrv,state-v2"), 0);
	fdt_pack(fdt);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(open_close(), -EBADMSG);
}
END_TEST

START_TEST(unknown_is_ignored)
{
	uint8_t fdt[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	struct udrv_state *st;
	int node;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	memcpy(fdt, udrv_state_fdt(st), sizeof(fdt));
	udrv_state_close(st);
	ck_assert_int_eq(fdt_setprop_string(fdt, 0, "from-the-future", "x"), 0);
	node = fdt_add_subnode(fdt, 0, "novelty");
	ck_assert_int_ge(node, 0);
	ck_assert_int_eq(fdt_setprop_u32(fdt, node, "n", 3), 0);
	node = fdt_path_offset(fdt, "/areas/one");
	ck_assert_int_eq(fdt_setprop_u32(fdt, node, "colour", 3), 0);
	fdt_pack(fdt);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	ck_assert_uint_eq(value_of(st), 2);
	ck_assert_ptr_nonnull(udrv_state_area(st, "one", NULL));
	/* and survives a commit of one who does not know it */
	ck_assert_int_eq(commit_value(st, 3), 0);
	ck_assert_int_ge(fdt_path_offset(udrv_state_fdt(st), "/novelty"), 0);
	udrv_state_close(st);
}
END_TEST

/* Area descriptions with right checksums and wrong contents. */
static const struct {
	uint64_t off, size;
	int err;
} bad_areas[] = {
	{ SIZE - 64, 64, 0 },
	{ SIZE - 64, 65, -EBADMSG },
	{ SIZE, 1, -EBADMSG },
	{ UINT64_MAX - 63, 64, -EBADMSG },
	{ UINT64_MAX - 63, 128, -EBADMSG },
	{ STATE_AREAS_OFF, UINT64_MAX, -EBADMSG },
	{ STATE_AREAS_OFF + 1, 8, -EBADMSG },
	{ STATE_AREAS_OFF - 64, 64, -EBADMSG },
	{ 0, 64, -EBADMSG },
	{ SIZE - 64, 0, -EBADMSG },
	{ STATE_AREAS_OFF, 64, -EBADMSG }, /* "one" is there */
	{ STATE_AREAS_OFF + 64, 8192, -EBADMSG }, /* around a part of "two" */
};

START_TEST(hostile_areas)
{
	uint8_t fdt[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	struct udrv_state *st;
	int areas, node;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, &flog.log, &st), 0);
	memcpy(fdt, udrv_state_fdt(st), sizeof(fdt));
	udrv_state_close(st);
	areas = fdt_path_offset(fdt, "/areas");
	node = fdt_add_subnode(fdt, areas, "bad");
	ck_assert_int_eq(fdt_setprop_u64(fdt, node, "offset", bad_areas[_i].off), 0);
	ck_assert_int_eq(fdt_setprop_u64(fdt, node, "size", bad_areas[_i].size), 0);
	fdt_pack(fdt);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(open_close(), bad_areas[_i].err);

	/* A property of another length or none at all. */
	ck_assert_int_eq(fdt_open_into(fdt, fdt, sizeof(fdt)), 0);
	node = fdt_path_offset(fdt, "/areas/bad");
	ck_assert_int_eq(fdt_setprop_u32(fdt, node, "offset", 0), 0);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(open_close(), -EBADMSG);
	ck_assert_int_eq(fdt_delprop(fdt, node, "offset"), 0);
	forge(fdt, fdt_totalsize(fdt));
	ck_assert_int_eq(open_close(), -EBADMSG);
}
END_TEST

/*
 * Trees with some bytes changed and a right checksum: no crash, no over-read (the sanitizers see),
 * no hang.
 */
START_TEST(mutated_trees)
{
	uint8_t good[UDRV_STATE_FDT_MAX], fdt[UDRV_STATE_FDT_MAX];
	struct udrv_state *st;
	unsigned int opened = 0;
	uint32_t len;

	make_state();
	srandom(1 + (unsigned int)_i);
	len = le32toh(header()->copy[0].len);
	memcpy(good, raw + STATE_HEADER_SIZE, len);
	for (int i = 0; i < 20000; i++) {
		uint32_t cut = random() % 8 ? len : (uint32_t)random() % UDRV_STATE_FDT_MAX;

		memcpy(fdt, good, sizeof(fdt));
		for (int changes = (int)(random() % 4); changes >= 0; changes--)
			fdt[(uint32_t)random() % len] =
				(uint8_t)(random() % 4 ? random() : random() % 10);
		forge(fdt, cut);
		if (udrv_state_open(memfd, 0, &flog.log, &st))
			continue;
		opened++;
		udrv_state_area(st, "one", NULL);
		udrv_state_area(st, "two", NULL);
		udrv_state_close(st);
	}
	ck_assert_uint_gt(opened, 100); /* or the mutations are too rough to show anything */
}
END_TEST

static bool writer_done;

static void *write_many(void *ctx)
{
	struct udrv_state *st = ctx;
	int err = 0;

	for (uint64_t i = 3; i < 3000 && !err; i++)
		err = commit_value(st, i);
	__atomic_store_n(&writer_done, true, __ATOMIC_RELEASE);
	return (void *)(intptr_t)err;
}

START_TEST(reader_beside_writer)
{
	struct udrv_state *st;
	uint64_t last = 0;
	pthread_t thread;
	void *err;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, NULL, &st), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_many, st), 0);
	while (!__atomic_load_n(&writer_done, __ATOMIC_ACQUIRE)) {
		struct udrv_state *reader;

		ck_assert_int_eq(udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader), 0);
		ck_assert_uint_eq(value_of(reader), udrv_state_generation(reader));
		ck_assert_uint_ge(value_of(reader), last);
		last = value_of(reader);
		udrv_state_close(reader);
	}
	pthread_join(thread, &err);
	ck_assert_ptr_null(err);
	udrv_state_close(st);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], 0);
}
END_TEST

static struct udrv_state *overtaking_st;
static uint64_t overtaking_value;

/* Two commits and more in the middle of whatever the reader is doing: both copies are other ones then. */
static void overtake(int sig)
{
	(void)sig;
	for (int i = 0; i < 3; i++)
		commit_value(overtaking_st, ++overtaking_value);
}

START_TEST(reader_overtaken)
{
	const struct sigaction sa = { .sa_handler = overtake };
	const struct timeval tick = { .tv_usec = 300 };
	struct itimerval timer = { .it_interval = tick, .it_value = tick };
	uint64_t last = 0;

	make_state();
	ck_assert_int_eq(udrv_state_open(memfd, 0, NULL, &overtaking_st), 0);
	overtaking_value = 2;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; i < 20000 && last < 20000; i++) {
		struct udrv_state *reader;
		uint64_t value, generation;
		int err;

		err = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &reader);
		if (err)
			ck_abort_msg("opened at generation %lu and %d: %s", last, err, flog.last);
		value = value_of(reader);
		generation = udrv_state_generation(reader);
		udrv_state_close(reader);
		if (value != generation || value < last)
			ck_abort_msg("generation %lu, value %lu, last %lu", generation, value, last);
		last = value;
	}
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	ck_assert_uint_gt(last, 100);
	ck_assert_uint_eq(flog.count[UDRV_LOG_WARN], 0);
	udrv_state_close(overtaking_st);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tc = tcase_create("state");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, crc_known_and_reference);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, words);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, misuse);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, truncated_at_every_byte);
	tcase_add_loop_test(tc, bit_flips, 0, 8);
	tcase_add_test(tc, crash_in_commit);
	tcase_add_test(tc, crash_in_format);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, unknown_is_ignored);
	tcase_add_loop_test(tc, hostile_areas, 0, sizeof(bad_areas) / sizeof(bad_areas[0]));
	tcase_add_loop_test(tc, mutated_trees, 0, 2);
	tcase_add_test(tc, reader_beside_writer);
	tcase_add_test(tc, reader_overtaken);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
