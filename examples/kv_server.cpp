// A key-value server with the data of many tenants in one process and one thread:  kv_server acme=8388608 globex=8388608
// A tenant that fills its quota gets an error, and the others are not affected; the test kv_client.py shows it.
// Lines of the protocol: USE tenant, SET key value, GET key, DEL key, USAGE.
#include <sstream>
#include <string>
#include <tenure/tenure.hpp>
#include <unordered_map>

#include "line_server.h"

namespace {

struct Store {
  tenure::Tenant tenant;
  std::unordered_map<std::string, std::string> data;
};

struct Session {
  Store* store = nullptr;
};

std::map<std::string, Store> stores;

std::string answer(Session& session, const std::string& line) {
  std::istringstream words(line);
  std::string verb, key, value;
  words >> verb >> key >> value;
  if (verb == "USE") {
    const auto found = stores.find(key);
    session.store = found == stores.end() ? nullptr : &found->second;
    return session.store ? "OK" : "NONE";
  }
  if (session.store == nullptr) return "NONE";

  auto& [tenant, data] = *session.store;
  if (verb == "USAGE") return std::to_string(tenant.usage());
  if (verb == "DEL") return data.erase(key) != 0 ? "OK" : "NONE";
  if (verb == "GET") return data.count(key) != 0 ? data.at(key) : "NONE";
  if (verb != "SET") return "WHAT";
  try {
    const tenure::Scope scope(tenant);  // Allocations in this scope are charged to the tenant.
    data.insert_or_assign(key, value);
    return "OK";
  } catch (const std::bad_alloc&) {
    return "FULL";  // The map is unchanged.
  }
}

}  // namespace

int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i], name = word.substr(0, word.find('='));
    Store& store = stores[name];
    store.tenant = tenure::Tenant::create(name);
    store.tenant.set_limit(TENURE_MAX, std::stoul(word.substr(name.size() + 1)));
    store.tenant.set_policy(TENURE_FAIL_ALL);
  }
  serve_lines<Session>(answer);
}
