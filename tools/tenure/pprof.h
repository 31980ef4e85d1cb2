// The format of pprof: a gzip-compressed message of protocol buffers (google/pprof, proto/profile.proto).
#pragma once

#include <string>

#include "tools/tenure/profile_snapshot.h"

namespace tenure::tool {

// Sample types as Go's heap profiles have them: alloc_objects, alloc_space, inuse_objects, inuse_space (the default); labels tenant, thread and
// bytes.
std::string pprof_of(const Profile& profile);

// As one gzip member, without compression: the tool needs no library for it.
std::string gzip(const std::string& bytes);

}  // namespace tenure::tool
