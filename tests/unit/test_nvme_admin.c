// SPDX-License-Identifier: BSD-2-Clause
/* Admin commands that an owner may send, and those that are the driver's alone. */
#include <check.h>
#include <errno.h>

#include "devices/nvme/ctrl.h"
#include "tests/unit/nvme_one.h"
#include "tests/unit/suite.h"

START_TEST(admin_commands)
{
	static const uint8_t refused[] = { NVME_ADMIN_CREATE_SQ,   NVME_ADMIN_CREATE_CQ,
					   NVME_ADMIN_DELETE_SQ,   NVME_ADMIN_DELETE_CQ,
					   NVME_ADMIN_ASYNC_EVENT, NVME_ADMIN_DBBUF_CONFIG };
	uint32_t cdw[6] = { NVME_FEAT_NUM_QUEUES }, result = 0;
	struct nvme_smart_log smart;
	uint8_t errors[2][64];

	one_init_default();
	nvme_fixture_start(&fx);
	for (unsigned int i = 0; i < sizeof(refused); i++)
		ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, refused[i], 0, NULL, 0, false, cdw, NULL),
				 -EPERM);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_SET_FEATURES, 0, NULL, 0, false, cdw,
					 NULL),
			 -EPERM);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw,
					 &result),
			 0);
	ck_assert_uint_eq(result, 15 << 16 | 15);
	cdw[0] = 0x55;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw,
					 NULL),
			 NVME_SC_INVALID_FIELD);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_IDENTIFY, 0, NULL, 4096, false, cdw,
					 NULL),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), 0);
	ck_assert_uint_eq(smart.temperature[0] | smart.temperature[1] << 8, 300);
	ck_assert_int_eq(udrv_nvme_error_log(fx.ctrl, errors, 2), 0);
	ck_assert_uint_eq(errors[0][0], 1);
	ck_assert_int_eq(udrv_nvme_error_log(fx.ctrl, errors, 65), -EINVAL);

	/*
	 * One that is not answered keeps its slot, and does no harm when it is answered after all.
	 */
	nvme_model_faults(fx.m)->hang_admin = true;
	ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), -ETIMEDOUT);
	nvme_model_faults(fx.m)->hang_admin = false;
	for (unsigned int i = 0; i < 30; i++)
		ck_assert_int_eq(udrv_nvme_smart(fx.ctrl, &smart), 0);
	nvme_fixture_end(&fx);
}
END_TEST

/*
 * Without an IOMMU what a command transfers beyond its page goes to whatever is
 * at that physical address.
 */
START_TEST(admin_transfers)
{
	uint32_t cdw[6] = { NVME_LOG_ERROR | 16 << 16 }, page[1024];

	one_init_default();
	nvme_fixture_start(&fx);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_LOG_PAGE, 0, page, 64, false, cdw,
					 NULL),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_LOG_PAGE, 0, page, 68, false, cdw,
					 NULL),
			 0);
	cdw[1] = 1;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_LOG_PAGE, 0, page, 4096, false,
					 cdw, NULL),
			 -EINVAL);
	cdw[0] = NVME_CNS_CTRL;
	cdw[1] = 0;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_IDENTIFY, 0, page, 4092, false, cdw,
					 NULL),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_IDENTIFY, 0, NULL, 0, false, cdw,
					 NULL),
			 -EINVAL);
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_IDENTIFY, 0, page, 4096, false, cdw,
					 NULL),
			 0);

	/* Get Features may transfer data, for a feature that the driver does not know of. */
	for (unsigned int i = 0; i < fx.ctrl->admin.depth; i++)
		fx.ctrl->admin.slots[i].sqe.prp1 = 0;
	cdw[0] = NVME_FEAT_NUM_QUEUES;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw,
					 NULL),
			 0);
	for (unsigned int i = 0; i < fx.ctrl->admin.depth; i++) {
		const struct nvme_sqe *sqe = &fx.ctrl->admin.slots[i].sqe;

		if (sqe->opcode == NVME_ADMIN_GET_FEATURES)
			ck_assert_uint_ne(sqe->prp1, 0);
	}
	nvme_fixture_end(&fx);
}
END_TEST

/* "More" and the retry delay are not given to the owner. */
START_TEST(status_fields)
{
	uint32_t cdw[6] = { 0x55 };

	one_init_default();
	nvme_fixture_start(&fx);
	nvme_model_faults(fx.m)->status = 1u << 13 | 3u << 11;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw,
					 NULL),
			 NVME_SC_INVALID_FIELD);
	nvme_model_faults(fx.m)->status |= NVME_STATUS_DNR;
	ck_assert_int_eq(udrv_nvme_admin(fx.ctrl, NVME_ADMIN_GET_FEATURES, 0, NULL, 0, false, cdw,
					 NULL),
			 NVME_SC_INVALID_FIELD | NVME_STATUS_DNR);
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-admin");
	TCase *tc = suite_case(suite, "admin", 120);

	tcase_add_test(tc, admin_commands);
	tcase_add_test(tc, admin_transfers);
	tcase_add_test(tc, status_fields);
	return suite_run(suite);
}
