/* Stands before the functions by which a process asks the kernel for its connections (sock_diag), and
 * lets them fail when a test wants it. Loaded with LD_PRELOAD. All other calls are the system's. */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int socket(int family, int type, int protocol) {
    if (family == AF_NETLINK && getenv("MUTE_KERNEL_WITHOUT_NETLINK")) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, family, type, protocol);
}

ssize_t sendto(int socket, const void *message, size_t length, int flags,
               const struct sockaddr *address, socklen_t address_length) {
    const char *silence = getenv("MUTE_KERNEL_SILENCE");
    if (address && address->sa_family == AF_NETLINK && silence && access(silence, F_OK) == 0) {
        errno = ENOBUFS;
        return -1;
    }
    return syscall(SYS_sendto, socket, message, length, flags, address, address_length);
}
