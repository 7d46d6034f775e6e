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

# QEMU's other end of a vfio-user device, and the MANA adapter
VFIO_USER := $(addprefix vfio_user/,config.c dma.c irq.c memory.c message.c region.c server.c)
MANA_MODEL := $(addprefix mana/,bnic.c dma.c doorbell.c event.c fault.c gdma.c hwc.c model.c object.c queue.c \
	region.c regs.c rx.c stats.c steer.c tx.c wqe.c)
MANA_SERVER := $(addprefix mana/,bridge.c control.c report.c serve.c)
$(call test-library,vfio-user,$(VFIO_USER))
$(call test-library,mana-model,$(MANA_MODEL))
$(call host-program,mana-model,mana/main.c $(MANA_SERVER) $(MANA_MODEL) $(NET_MODEL) $(VFIO_USER),-lpthread)

# The model's own tests: with the unit suite, and first in SUITE=model
VFIO_USER_TEST := vfio-user-client vfio-user fuzz support
$(call test-library,fuzz,fuzz.c)
$(call test-library,vfio-user-client,vfio_user/client.c)
$(call unit-test,test_vfio_user,vfio_user/test_vfio_user.c,$(VFIO_USER_TEST))
$(call unit-test,test_vfio_user_memory,vfio_user/test_vfio_user_memory.c,$(VFIO_USER_TEST))
$(call unit-test,test_vfio_user_fuzz,vfio_user/test_vfio_user_fuzz.c,$(VFIO_USER_TEST))

MANA_TEST := mana-host mana-model net-model net-sample fuzz support
$(call test-library,mana-host,mana/host.c)
$(call unit-test,test_mana_model_channel,mana/test_mana_model_channel.c,$(MANA_TEST))
$(call unit-test,test_mana_model_objects,mana/test_mana_model_objects.c,$(MANA_TEST))
$(call unit-test,test_mana_model_traffic,mana/test_mana_model_traffic.c,$(MANA_TEST))
$(call unit-test,test_mana_model_strict,mana/test_mana_model_strict.c,$(MANA_TEST))
$(call unit-test,test_mana_model_fault,mana/test_mana_model_fault.c,$(MANA_TEST))
$(call unit-test,test_mana_model_fuzz,mana/test_mana_model_fuzz.c,$(MANA_TEST))
$(call test-library,mana-server,$(MANA_SERVER))
$(call unit-test,test_mana_model_serve,mana/test_mana_model_serve.c,mana-server vfio-user-client vfio-user $(MANA_TEST))
