// The connection of a descriptor, and its tenant.
#pragma once

#include <sys/socket.h>

namespace tenure::rules {

// Gives a tenant to the descriptor of a new connection, which was accepted (`peer` NULL) or leads to `peer`.
void take_connection(int fd, const sockaddr* peer, socklen_t peer_length);
// Gives a tenant to a descriptor that another process has passed on, or that this process was started with. A descriptor that is no
// connection gets no tenant.
void take_passed(int fd);
void look_at_inherited_descriptors();

}  // namespace tenure::rules
