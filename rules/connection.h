// The connection of a descriptor, and its tenant.
#pragma once

#include <sys/socket.h>

namespace tenure::rules {

// The descriptor is a new connection, that was accepted (`peer` NULL) or that goes to `peer`, and gets its tenant.
void take_connection(int fd, const sockaddr* peer, socklen_t peer_length);
// A descriptor that another process has passed on, or that this one was started with. One that is no connection gets no tenant.
void take_passed(int fd);
void look_at_inherited_descriptors();

}  // namespace tenure::rules
