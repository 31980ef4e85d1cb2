// Profiles for people and for other programs.
#pragma once

#include <string>

#include "tools/tenure/profile_snapshot.h"

namespace tenure::tool {

// The sites that hold most, and those that allocated most, by tenant.
std::string text_of(const Profile& profile);
// What departed tenants left behind, by site.
std::string leaks_of(const Profile& profile);
// A line for each stack: "/acme;main;load;parse 123456", bytes in use, or allocated where none is in use: for flame graphs.
std::string collapsed_of(const Profile& profile);
std::string json_of(const Profile& profile);
// One page that needs nothing else: a flame graph, and a table.
std::string html_of(const Profile& profile);

}  // namespace tenure::tool
