# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,nvme-model,nvme/admin.c nvme/io.c nvme/queues.c nvme/regs.c)

# What is inside of frames, and what is at the other end of a NIC's wire
NET_MODEL := net/csum.c net/echo.c net/frame.c net/lso.c net/none.c net/rss.c net/rx.c net/tap.c net/tx.c
$(call test-library,net-model,$(NET_MODEL))
$(call test-library,net-sample,net/sample.c)
$(call unit-test,test_net_frame,net/test_net_frame.c,net-model net-sample support)
$(call unit-test,test_net_rss,net/test_net_rss.c,net-model net-sample support)
$(call unit-test,test_net_tx,net/test_net_tx.c,net-model net-sample support)
$(call unit-test,test_net_rx,net/test_net_rx.c,net-model net-sample support)
$(call unit-test,test_net_echo,net/test_net_echo.c,net-model net-sample support)
