// SPDX-License-Identifier: BSD-2-Clause
/*
 * State that was cut, flipped, forged, or is of another version: nothing that is read is believed.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/state_fixture.h"
#include "tests/unit/suite.h"
#include "udrv/lib/crc32c.h"

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
	{ STATE_AREAS_OFF, 64, -EBADMSG },	  /* "one" is there */
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

int main(void)
{
	Suite *suite = suite_create("state-damage");
	TCase *tc = suite_case(suite, "damage", 120);

	tcase_add_checked_fixture(tc, state_setup, state_teardown);
	tcase_add_test(tc, truncated_at_every_byte);
	tcase_add_loop_test(tc, bit_flips, 0, 8);
	tcase_add_test(tc, versions);
	tcase_add_test(tc, unknown_is_ignored);
	tcase_add_loop_test(tc, hostile_areas, 0, sizeof(bad_areas) / sizeof(bad_areas[0]));
	tcase_add_loop_test(tc, mutated_trees, 0, 2);
	return suite_run(suite);
}
