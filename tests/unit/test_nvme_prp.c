// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PRP builder against a reference that knows nothing of pages: where does byte n of the
 * transfer lie?
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/nvme/prp.h"
#include "tests/unit/suite.h"

#define PAGES	  64u
#define PAGE	  4096u
#define LIST_PAGE 63u /* of the pool, for the list */

static uint64_t page_addr[PAGES];
static uint8_t *base;
static struct udrv_dma dma;

static void set_up(void)
{
	base = calloc(PAGES, PAGE);
	ck_assert_ptr_nonnull(base);
	/* Scattered, no two in a row, above 4 GiB. */
	for (unsigned int i = 0; i < PAGES; i++)
		page_addr[i] = 0x7000000000ull + (uint64_t)((i * 37) % PAGES) * 3 * PAGE;
	dma = (struct udrv_dma){ .base = base, .size = PAGES * PAGE, .page_addr = page_addr };
}

static void tear_down(void)
{
	free(base);
}

static uint64_t addr_of(uint64_t off)
{
	return page_addr[off / PAGE] + off % PAGE;
}

/*
 * ck_assert() tells the runner where it is each time, which is too slow for what
 * happens a million times.
 */
#define must(cond)                                 \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg("%s", #cond); \
	} while (0)

/* The device's view: address of byte @at of @len, following the specification to the letter. */
static uint64_t device_addr(const struct nvme_sqe *sqe, const uint64_t *list, uint64_t len,
			    uint64_t at)
{
	uint64_t prp1 = le64toh(sqe->prp1), prp2 = le64toh(sqe->prp2), first = PAGE - prp1 % PAGE,
		 entry;

	if (at < first)
		return prp1 + at;
	entry = len - first <= PAGE ? prp2 : le64toh(list[(at - first) / PAGE]);
	must(entry % PAGE == 0);
	return entry + (at - first) % PAGE;
}

/* Each dword of the transfer lies where the segments say. */
static void compare(const struct udrv_nvme_seg *seg, unsigned int nseg, uint64_t len,
		    uint32_t list_size)
{
	uint64_t *list = (uint64_t *)(base + LIST_PAGE * PAGE), at = 0;
	struct nvme_sqe sqe = { 0 };
	int err;

	memset(list, 0xee, PAGE);
	err = nvme_prp_build(&dma, seg, nseg, len, list, LIST_PAGE * PAGE, list_size, &sqe);
	must(!err);
	if (len > PAGE - le64toh(sqe.prp1) % PAGE + PAGE)
		must(le64toh(sqe.prp2) == addr_of(LIST_PAGE * PAGE));
	else if (len <= PAGE - le64toh(sqe.prp1) % PAGE)
		must(sqe.prp2 == 0);
	for (unsigned int i = 0; i < nseg; i++) {
		/* The ends of each page's piece; between them it is linear. */
		for (uint64_t n = 0; n < seg[i].len;) {
			uint64_t left = PAGE - (seg[i].off + n) % PAGE;

			if (left > seg[i].len - n)
				left = seg[i].len - n;
			must(device_addr(&sqe, list, len, at) == addr_of(seg[i].off + n));
			must(device_addr(&sqe, list, len, at + left - 1) ==
			     addr_of(seg[i].off + n + left - 1));
			n += left;
			at += left;
		}
	}
	must(at == len);
	/* And nothing was written behind the list. */
	must(list_size == PAGE ||
	     (base[LIST_PAGE * PAGE + list_size] == 0xee &&
	      !memcmp(base + LIST_PAGE * PAGE + list_size, base + LIST_PAGE * PAGE + list_size + 1,
		      PAGE - list_size - 1)));
}

START_TEST(every_alignment_and_length)
{
	for (uint64_t off = 0; off < 2 * PAGE; off += 4) {
		for (uint64_t len = 512; len <= 10 * PAGE; len += 512 * (1 + off % 7)) {
			struct udrv_nvme_seg seg = { .off = off, .len = len };

			compare(&seg, 1, len, nvme_prp_list_size(10 * PAGE));
		}
	}
}
END_TEST

START_TEST(random_segments)
{
	srandom(5);
	for (unsigned int round = 0; round < 20000; round++) {
		struct udrv_nvme_seg seg[6];
		unsigned int n = 1 + (unsigned int)random() % 6;
		uint64_t len = 0;

		for (unsigned int i = 0; i < n; i++) {
			uint64_t pages = 1 + (uint64_t)random() % 4,
				 page = (uint64_t)random() % (LIST_PAGE - 4);

			seg[i].off = page * PAGE;
			seg[i].len = pages * PAGE;
			if (i == 0) {
				uint64_t cut = 4 * ((uint64_t)random() % 1024);

				seg[i].off += cut;
				seg[i].len -= cut;
			}
			if (i == n - 1 && seg[i].len > 4096)
				seg[i].len -= 4 * ((uint64_t)random() % 1024);
			len += seg[i].len;
		}
		compare(seg, n, len, nvme_prp_list_size((uint32_t)len));
	}
}
END_TEST

START_TEST(list_is_as_large_as_it_must_be)
{
	/* The worst alignment of the largest transfer fits, and one page more does not. */
	for (uint32_t pages = 1; pages <= 16; pages++) {
		uint32_t size = nvme_prp_list_size(pages * PAGE);
		struct udrv_nvme_seg seg = { .off = 4092, .len = pages * PAGE };
		uint64_t *list = (uint64_t *)(base + LIST_PAGE * PAGE);
		struct nvme_sqe sqe;

		compare(&seg, 1, seg.len, size);
		seg.len = (uint64_t)(size / 8 + 2) * PAGE;
		if (seg.len + 4092 <= dma.size)
			ck_assert_int_eq(nvme_prp_build(&dma, &seg, 1, seg.len, list,
							LIST_PAGE * PAGE, size, &sqe),
					 -EMSGSIZE);
	}
}
END_TEST

struct bad {
	struct udrv_nvme_seg seg[2];
	unsigned int nseg;
	uint64_t bytes;
};

static const struct bad bad[] = {
	{ { { 0, 0 } }, 0, 512 },		       /* no segment */
	{ { { 0, 0 } }, 1, 0 },			       /* nothing */
	{ { { 0, 512 } }, 1, 1024 },		       /* too short */
	{ { { 0, 1024 } }, 1, 512 },		       /* too long */
	{ { { 2, 512 } }, 1, 512 },		       /* not on a dword */
	{ { { PAGES * PAGE, 512 } }, 1, 512 },	       /* behind the pool */
	{ { { PAGES * PAGE - 512, 1024 } }, 1, 1024 }, /* over its end */
	{ { { ~0ull - 511, 512 } }, 1, 512 },	       /* wraps */
	{ { { 0, ~0ull } }, 1, ~0ull },
	{ { { 0, 512 }, { PAGE, 512 } }, 2, 1024 }, /* a hole in the first page */
	/* the second begins inside a page */
	{ { { 0, PAGE }, { PAGE + 512, 512 } }, 2, PAGE + 512 },
	{ { { 0, PAGE }, { PAGE, 0 } }, 2, PAGE },	    /* an empty one */
	{ { { 0, ~0ull - 511 }, { PAGE, 1024 } }, 2, 512 }, /* lengths that add up by wrapping */
};

START_TEST(bad_segments_are_refused)
{
	const struct bad *b = &bad[_i];
	uint64_t *list = (uint64_t *)(base + LIST_PAGE * PAGE);
	struct nvme_sqe sqe = { 0 };

	ck_assert_int_eq(nvme_prp_build(&dma, b->seg, b->nseg, b->bytes, list, LIST_PAGE * PAGE, 64,
					&sqe),
			 -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-prp");
	TCase *tc = suite_case(suite, "prp", 60);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, every_alignment_and_length);
	tcase_add_test(tc, random_segments);
	tcase_add_test(tc, list_is_as_large_as_it_must_be);
	tcase_add_loop_test(tc, bad_segments_are_refused, 0, sizeof(bad) / sizeof(bad[0]));
	return suite_run(suite);
}
