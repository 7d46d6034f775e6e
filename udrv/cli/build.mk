# SPDX-License-Identifier: GPL-2.0-or-later
$(call man-pages,udrvctl.8)
