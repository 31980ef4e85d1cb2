// Processes and tenants as JSON, the same for --json and for recordings. An unlimited limit is null.
#pragma once

#include <fmt/core.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "tools/tenure/model/process.h"

namespace tenure::tool {

// Grows as it is written, by fmt::format_to(std::back_inserter(text), ...).
using Text = std::string;

// Written by hand: a tree of JSON values for 100,000 tenants takes a second to build.
void write_quoted(Text& out, std::string_view text);
void write_json(Text& out, const Tenant& tenant, std::string_view path);
void write_json(Text& out, const Event& event);
void write_json(Text& out, const Class& entry);
// The members of a process besides its tenants and events, without braces.
void write_facts(Text& out, const Process& process);
void write_totals(Text& out, const Process& process);
// All of it: facts, totals, classes, events, tenants in the order of `order`.
void write_json(Text& out, const Process& process);

// From a recording. Throw nlohmann::json::exception where something is missing or of another type. The tenant's parent is left open.
Tenant tenant_from(const nlohmann::json& json);
Process facts_from(const nlohmann::json& json);
Event event_from(const nlohmann::json& json);

}  // namespace tenure::tool
