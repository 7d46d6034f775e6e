/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "session.h"
#include "tap.h"
#include "try.h"

int try_preserve(int luo, struct device *dev, int cdev, int other)
{
	int session = session_create(luo, "try");
	int err;

	if (session < 0)
		return session;
	err = session_preserve(session, dev->memory, TRY_MEMORY);
	if (!err && other >= 0)
		err = session_preserve(session, other, TRY_OTHER);
	tap_is(err, 0, "%s: the memory is preserved", dev->bdf);
	err = session_preserve(session, dev->iommu, TRY_IOMMU);
	if (!err)
		err = session_preserve(session, cdev, TRY_CDEV);
	close(session);
	return err;
}
