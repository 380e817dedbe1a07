SUMMARY = "Containers for embedded boards, by one static file"
DESCRIPTION = "Reads a board's profile, mounts the cgroup hierarchies, makes the bridge and starts the containers."
HOMEPAGE = "https://github.com/boardbox/boardbox"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=6c3de62daf44427185469eabdeb34ade \
                    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# The tree that this layer lies in, with dist/ as `make` filled it: the file is static and needs nothing of the target's.
BOARDBOX_TREE ?= "${@os.path.realpath(os.path.join(d.getVar('THISDIR'), '../../../..'))}"
# A profile of your own, or one of boards/.
BOARDBOX_PROFILE ?= ""

inherit externalsrc update-rc.d systemd
EXTERNALSRC = "${BOARDBOX_TREE}"
EXTERNALSRC_BUILD = "${BOARDBOX_TREE}"

COMPATIBLE_HOST = "(powerpc|aarch64|x86_64).*-linux"
BOARDBOX_ARCH = "${@{'powerpc': 'powerpc', 'aarch64': 'aarch64', 'x86_64': 'x86_64'}.get(d.getVar('TARGET_ARCH'), 'none')}"

do_configure[noexec] = "1"

do_compile() {
    test -f ${S}/dist/boardbox-${BOARDBOX_ARCH} ||
        bbfatal "run make dist/boardbox-${BOARDBOX_ARCH} in ${S} first"
    if [ -n "${BOARDBOX_PROFILE}" ]; then
        test -x ${S}/dist/boardbox-${BUILD_ARCH} ||
            bbfatal "run make dist/boardbox-${BUILD_ARCH} in ${S} first: it checks ${BOARDBOX_PROFILE}"
        ${S}/dist/boardbox-${BUILD_ARCH} check ${BOARDBOX_PROFILE} || bbfatal "${BOARDBOX_PROFILE} has mistakes"
    fi
}

do_install() {
    init=sysvinit
    ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'init=systemd', '', d)}
    DESTDIR=${D} PREFIX=${prefix} ARCH=${BOARDBOX_ARCH} INIT=$init DOCS=0 PROFILE=${BOARDBOX_PROFILE} ${S}/scripts/install
    # Without usrmerge systemd's units are in /lib, and systemd.bbclass looks for them there.
    units=${D}${prefix}/lib/systemd/system
    if [ $init = systemd ] && [ $units != ${D}${systemd_system_unitdir} ]; then
        install -d ${D}${systemd_system_unitdir}
        mv $units/boardbox.service $units/boardbox-down.service ${D}${systemd_system_unitdir}
        rmdir -p --ignore-fail-on-non-empty $units
    fi
}

INITSCRIPT_NAME = "boardbox"
INITSCRIPT_PARAMS = "defaults 50 10"
# It wants boardbox-down.service, installed beside it, which is not enabled by itself.
SYSTEMD_SERVICE:${PN} = "boardbox.service"
FILES:${PN} += "${prefix}/lib/boardbox ${systemd_system_unitdir}"
CONFFILES:${PN} = "${sysconfdir}/boardbox/board.toml"
RRECOMMENDS:${PN} = "kernel-module-macvlan kernel-module-bridge kernel-module-veth"
# It is stripped and static, by intent.
INSANE_SKIP:${PN} = "already-stripped"
