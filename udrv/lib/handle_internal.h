/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UDRV_LIB_HANDLE_INTERNAL_H
#define UDRV_LIB_HANDLE_INTERNAL_H

#include <udrv/handle.h>
#include <udrv/log.h>

struct vfio;
struct udrv_state;

/* Name, address, driver and policy as they may come from anywhere. 0 or -EINVAL with a message. */
int udrv_handle_check(const struct udrv_handle *h, const struct udrv_log *log);

/* Give a backend the handle's cdev. -errno with a message. */
int udrv_handle_open_vfio(const struct udrv_handle *h, struct vfio *vfio,
			  const struct udrv_log *log);

/* Record who the device is in node /device of the tree being edited. */
int udrv_handle_record_id(struct vfio *vfio, const struct udrv_handle *h, void *fdt,
			  const struct udrv_log *log);

/* Compare the device with that record. -ESTALE with a message; -EBADMSG: no usable record. */
int udrv_handle_compare_id(struct vfio *vfio, const struct udrv_handle *h,
			   const struct udrv_state *st, const struct udrv_log *log);

#endif
