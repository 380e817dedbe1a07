################################################################################
#
# boardbox
#
################################################################################

# Beside this file lies the source tree it came with.
BOARDBOX_VERSION = 0.1.0
BOARDBOX_SITE = $(BR2_EXTERNAL_BOARDBOX_PATH)/../..
BOARDBOX_SITE_METHOD = local
BOARDBOX_LICENSE = MIT or Apache-2.0
BOARDBOX_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
# Not the build's own directories; dist has what is installed.
BOARDBOX_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude target

BOARDBOX_FOR = $(if $(BR2_powerpc),powerpc,$(if $(BR2_aarch64),aarch64,x86_64))
# Relative to Buildroot's top: scripts/install runs in another directory.
BOARDBOX_PROFILE = $(abspath $(call qstrip,$(BR2_PACKAGE_BOARDBOX_PROFILE)))

# dist/boardbox-ARCH is built beforehand, by `make` in the source tree: it needs rustup and zig, which are not Buildroot's.
define BOARDBOX_BUILD_CMDS
	test -f $(@D)/dist/boardbox-$(BOARDBOX_FOR) || \
		{ echo "boardbox: run make dist/boardbox-$(BOARDBOX_FOR) in $(BOARDBOX_SITE) first" >&2; exit 1; }
endef

define BOARDBOX_CHECK_PROFILE
	test -x $(@D)/dist/boardbox-$(HOSTARCH) || \
		{ echo "boardbox: run make dist/boardbox-$(HOSTARCH) in $(BOARDBOX_SITE) first: it checks $(BOARDBOX_PROFILE)" >&2; exit 1; }
	$(@D)/dist/boardbox-$(HOSTARCH) check $(BOARDBOX_PROFILE)
endef

define BOARDBOX_INSTALL_TARGET_CMDS
	$(if $(BOARDBOX_PROFILE),$(BOARDBOX_CHECK_PROFILE))
	DESTDIR=$(TARGET_DIR) ARCH=$(BOARDBOX_FOR) DOCS=0 LXC=$(if $(BR2_PACKAGE_BOARDBOX_LXC_NAMES),1,0) \
		PROFILE=$(BOARDBOX_PROFILE) $(@D)/scripts/install
endef

define BOARDBOX_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/rootfs/etc/init.d/S50boardbox $(TARGET_DIR)/etc/init.d/S50boardbox
endef

define BOARDBOX_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/rootfs/openrc/boardbox $(TARGET_DIR)/etc/init.d/boardbox
endef

define BOARDBOX_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/rootfs/systemd/boardbox.service \
		$(TARGET_DIR)/usr/lib/systemd/system/boardbox.service
	$(INSTALL) -D -m 0644 $(@D)/rootfs/systemd/boardbox-down.service \
		$(TARGET_DIR)/usr/lib/systemd/system/boardbox-down.service
endef

# What a kernel does not know it drops: CPUSETS_V1 and MEMCG_V1 are there, and off by default, since Linux 6.12 and 6.11.
define BOARDBOX_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NAMESPACES)
	$(call KCONFIG_ENABLE_OPT,CONFIG_UTS_NS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SYSVIPC)
	$(call KCONFIG_ENABLE_OPT,CONFIG_IPC_NS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_PID_NS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_NET_NS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUPS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CPUSETS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CPUSETS_V1)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_SCHED)
	$(call KCONFIG_ENABLE_OPT,CONFIG_FAIR_GROUP_SCHED)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CFS_BANDWIDTH)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_CPUACCT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_DEVICE)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_FREEZER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_PIDS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_MEMCG)
	$(call KCONFIG_ENABLE_OPT,CONFIG_MEMCG_V1)
	$(call KCONFIG_ENABLE_OPT,CONFIG_BLK_CGROUP)
	$(call KCONFIG_ENABLE_OPT,CONFIG_BLK_DEV_THROTTLING)
	$(call KCONFIG_ENABLE_OPT,CONFIG_BPF_SYSCALL)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_BPF)
	$(call KCONFIG_ENABLE_OPT,CONFIG_BRIDGE)
	$(call KCONFIG_ENABLE_OPT,CONFIG_MACVLAN)
	$(call KCONFIG_ENABLE_OPT,CONFIG_VETH)
endef

$(eval $(generic-package))
