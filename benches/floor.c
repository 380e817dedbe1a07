/* floor: the least that a container's start can cost here. It makes the calls that boardbox makes for the same container,
 * in the same order, with everything known beforehand: no profile is read, nothing is looked up, nothing is checked twice.
 *
 *   floor [-g HIERARCHY]... [-l LINK] [-b] [-k] ROOTFS COMMAND [ARG...]
 *
 *   plain     clone (uts, pid, ipc, mount, net), rootfs bound on itself, /proc, pivot_root, exec, wait
 *   -g DIR    a cgroup DIR/boardbox/bench-floor is made, joined by the child and removed; foo23.conf's rules are written to
 *             it when -l is given too (cpuset and its ancestors always: no task may enter without)
 *   -l LINK   two macvlans in vepa mode on LINK, born in the child's netns as eth0 and eth1, with addresses, up
 *   -b        foo23.conf's read-only bind of /lib, and a devpts of its own
 *   -k        the macvlans are gone, their MACs free, before the end is reported. Deleting them keeps the caller for 20
 *             to 60 ms (an RCU barrier after the act); a child makes the request, and the kernel's word that they are
 *             gone, which comes within 1 ms, is what is waited for
 *
 * Errors end it at once with the failing line; benches/run cleans up. Linux only, no library: cc -static -O2 -fno-strict-aliasing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) \
    ({ __typeof__(call) result_ = (call); if (result_ < 0) die(#call, __LINE__); result_; })

static void die(const char *call, int line)
{
    dprintf(2, "floor: line %d: %s: %s\n", line, call, strerror(errno));
    _exit(125);
}

enum { MAX_HIERARCHIES = 16, GROUP = 23 };

static const char *hierarchies[MAX_HIERARCHIES];
static int tasks[MAX_HIERARCHIES];
static int hierarchy_count;

static void put(const char *directory, const char *file, const char *value)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int fd = MUST(open(path, O_WRONLY | O_CLOEXEC));
    MUST(write(fd, value, strlen(value)));
    close(fd);
}

static int is(const char *hierarchy, const char *controller)
{
    const char *last = strrchr(hierarchy, '/');
    return last && !strcmp(last + 1, controller);
}

static void make_cgroups(int rules)
{
    char parent[256], own[300], file[400], cpus[256] = "", mems[256] = "";
    for (int i = 0; i < hierarchy_count; i++) {
        snprintf(parent, sizeof parent, "%s/boardbox", hierarchies[i]);
        snprintf(own, sizeof own, "%s/bench-floor", parent);
        if (mkdir(parent, 0755) && errno != EEXIST)
            die(parent, __LINE__);
        MUST(mkdir(own, 0755));
        if (is(hierarchies[i], "cpuset")) {
            snprintf(file, sizeof file, "%s/cpuset.cpus", hierarchies[i]);
            int fd = MUST(open(file, O_RDONLY | O_CLOEXEC));
            MUST(read(fd, cpus, sizeof cpus - 1));
            close(fd);
            snprintf(file, sizeof file, "%s/cpuset.mems", hierarchies[i]);
            fd = MUST(open(file, O_RDONLY | O_CLOEXEC));
            MUST(read(fd, mems, sizeof mems - 1));
            close(fd);
            put(parent, "cpuset.cpus", cpus);
            put(parent, "cpuset.mems", mems);
            put(own, "cpuset.cpus", rules ? "0,1" : cpus);
            put(own, "cpuset.mems", mems);
        }
        if (rules && is(hierarchies[i], "cpu"))
            put(own, "cpu.shares", "1234");
        snprintf(file, sizeof file, "%s/tasks", own);
        tasks[i] = MUST(open(file, O_WRONLY | O_CLOEXEC));
    }
}

/* Last, as nothing can be made or opened afterwards. */
static void device_rules(void)
{
    char own[300];
    for (int i = 0; i < hierarchy_count; i++)
        if (is(hierarchies[i], "devices")) {
            snprintf(own, sizeof own, "%s/boardbox/bench-floor", hierarchies[i]);
            put(own, "devices.deny", "a");
            put(own, "devices.allow", "c 1:3 rw");
            put(own, "devices.allow", "b 8:0 rw");
        }
}

static void remove_cgroups(void)
{
    char path[300];
    for (int i = 0; i < hierarchy_count; i++) {
        snprintf(path, sizeof path, "%s/boardbox/bench-floor", hierarchies[i]);
        MUST(rmdir(path));
        snprintf(path, sizeof path, "%s/boardbox", hierarchies[i]);
        rmdir(path);
    }
}

/* Netlink: messages one after the other in one buffer. */
static char batch[2048] __attribute__((aligned(4)));
static size_t batched;
static uint32_t messages;

static struct nlmsghdr *message(uint16_t type, uint16_t flags, const void *body, size_t size)
{
    struct nlmsghdr *header = (void *)(batch + batched);
    memset(header, 0, NLMSG_SPACE(size));
    header->nlmsg_len = NLMSG_LENGTH(size);
    header->nlmsg_type = type;
    header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    header->nlmsg_seq = ++messages;
    memcpy(NLMSG_DATA(header), body, size);
    return header;
}

static struct rtattr *attribute(struct nlmsghdr *header, uint16_t type, const void *value, size_t size)
{
    struct rtattr *made = (void *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
    made->rta_type = type;
    made->rta_len = RTA_LENGTH(size);
    memset(RTA_DATA(made), 0, RTA_ALIGN(size));
    if (size)
        memcpy(RTA_DATA(made), value, size);
    header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_SPACE(size);
    return made;
}

static void close_attribute(struct nlmsghdr *header, struct rtattr *opened)
{
    opened->rta_len = (char *)header + header->nlmsg_len - (char *)opened;
}

static void queue(struct nlmsghdr *header)
{
    batched += NLMSG_ALIGN(header->nlmsg_len);
}

static void send_batch(int fd)
{
    char answers[4096] __attribute__((aligned(4)));
    uint32_t open_answers = messages;
    MUST(send(fd, batch, batched, 0));
    while (open_answers) {
        int size = MUST(recv(fd, answers, sizeof answers, 0));
        for (struct nlmsghdr *h = (void *)answers; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
            const struct nlmsgerr *error = NLMSG_DATA(h);
            if (h->nlmsg_type != NLMSG_ERROR)
                continue;
            if (error->error) {
                errno = -error->error;
                die("netlink", error->msg.nlmsg_seq);
            }
            open_answers--;
        }
    }
    batched = messages = 0;
}

static int route_socket(void)
{
    return MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static void add_macvlans(const char *link, pid_t pid)
{
    int fd = route_socket();
    uint32_t lower = MUST((int)if_nametoindex(link)), mode = MACVLAN_MODE_VEPA, owner = pid;
    for (int i = 0; i < 2; i++) {
        struct ifinfomsg body = {0};
        struct nlmsghdr *new = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
        /* The lowest number that is free where it is born: to rename it would be a grace period. */
        attribute(new, IFLA_IFNAME, "eth%d", 6);
        attribute(new, IFLA_LINK, &lower, sizeof lower);
        attribute(new, IFLA_NET_NS_PID, &owner, sizeof owner);
        struct rtattr *info = attribute(new, IFLA_LINKINFO, NULL, 0);
        attribute(new, IFLA_INFO_KIND, "macvlan", 7);
        struct rtattr *data = attribute(new, IFLA_INFO_DATA, NULL, 0);
        attribute(new, IFLA_MACVLAN_MODE, &mode, sizeof mode);
        close_attribute(new, data);
        close_attribute(new, info);
        queue(new);
    }
    send_batch(fd);
    close(fd);
}

static void configure_macvlans(int fd)
{
    static const uint8_t addresses[2][4] = {{192, 168, 0, 23}, {192, 168, 128, 23}};
    for (int i = 0; i < 2; i++) {
        uint32_t index = MUST((int)if_nametoindex(i ? "eth1" : "eth0")), group = GROUP;
        struct ifinfomsg link = {.ifi_index = index};
        struct nlmsghdr *grouped = message(RTM_NEWLINK, 0, &link, sizeof link);
        attribute(grouped, IFLA_GROUP, &group, sizeof group);
        queue(grouped);
        struct ifaddrmsg address = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = index};
        uint8_t broadcast[4] = {addresses[i][0], addresses[i][1], addresses[i][2], 255};
        struct nlmsghdr *add = message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address, sizeof address);
        attribute(add, IFA_LOCAL, addresses[i], 4);
        attribute(add, IFA_ADDRESS, addresses[i], 4);
        attribute(add, IFA_BROADCAST, broadcast, 4);
        queue(add);
        link.ifi_flags = link.ifi_change = IFF_UP;
        queue(message(RTM_NEWLINK, 0, &link, sizeof link));
    }
    struct ifinfomsg lo = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    queue(message(RTM_NEWLINK, 0, &lo, sizeof lo));
    send_batch(fd);
}

static void delete_macvlans(int fd)
{
    int news = RTNLGRP_LINK, size;
    uint32_t group = GROUP;
    char told[8192] __attribute__((aligned(4)));
    struct ifinfomsg any = {0};
    MUST(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &news, sizeof news));
    struct nlmsghdr *all = message(RTM_DELLINK, 0, &any, sizeof any);
    attribute(all, IFLA_GROUP, &group, sizeof group);
    queue(all);
    pid_t child = MUST(fork());
    if (child == 0) {
        send(fd, batch, batched, 0);
        _exit(0);
    }
    for (int gone = 0; gone < 2;) {
        size = MUST(recv(fd, told, sizeof told, 0));
        for (struct nlmsghdr *h = (void *)told; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size))
            gone += h->nlmsg_type == RTM_DELLINK;
    }
}

static void send_fd(int channel, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr packet = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    MUST(sendmsg(channel, &packet, 0));
}

static int receive_fd(int channel)
{
    int fd = -1;
    char byte, control[CMSG_SPACE(sizeof fd)];
    struct iovec data = {&byte, 1};
    struct msghdr packet = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (MUST(recvmsg(channel, &packet, MSG_CMSG_CLOEXEC)) == 0)
        _exit(125);
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    if (header)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void wait_for(int channel, void *value, size_t size)
{
    if (MUST(read(channel, value, size)) == 0)
        _exit(125);
}

int main(int argc, char **argv)
{
    const char *link = NULL;
    int binds = 0, deletes = 0, option;
    while ((option = getopt(argc, argv, "+g:l:bk")) > 0)
        switch (option) {
        case 'g':
            if (hierarchy_count == MAX_HIERARCHIES)
                return 125;
            hierarchies[hierarchy_count++] = optarg;
            break;
        case 'l': link = optarg; break;
        case 'b': binds = 1; break;
        case 'k': deletes = 1; break;
        default: return 125;
        }
    if (argc - optind < 2)
        return 125;
    const char *rootfs = argv[optind];
    char path[512];

    make_cgroups(link != NULL);
    int channel[2];
    if (link)
        MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel));
    pid_t pid = MUST((pid_t)syscall(SYS_clone, CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWNET | SIGCHLD,
                                    NULL, NULL, NULL, NULL));
    if (pid == 0) {
        for (int i = 0; i < hierarchy_count; i++)
            MUST(write(tasks[i], "0", 1));
        MUST(sethostname("foo23", 5));
        MUST(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
        MUST(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
        MUST(chdir(rootfs));
        MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
        if (binds) {
            MUST(mount("/lib", "lib", NULL, MS_BIND, NULL));
            MUST(mount(NULL, "lib", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
            MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,max=1"));
        }
        MUST((int)syscall(SYS_pivot_root, ".", "."));
        MUST(umount2(".", MNT_DETACH));
        MUST(chdir("/"));
        if (link) {
            /* The NICs are there. */
            wait_for(channel[1], path, 1);
            int fd = route_socket();
            configure_macvlans(fd);
            send_fd(channel[1], fd);
            wait_for(channel[1], path, 1);
        }
        execv(argv[optind + 1], argv + optind + 1);
        die("execv", __LINE__);
    }
    int route = -1;
    if (link) {
        close(channel[1]);
        add_macvlans(link, pid);
        MUST(write(channel[0], "", 1));
        route = receive_fd(channel[0]);
        device_rules();
        MUST(write(channel[0], "", 1));
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    if (deletes)
        delete_macvlans(route);
    remove_cgroups();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
