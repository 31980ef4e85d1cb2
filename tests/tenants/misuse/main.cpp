// misuse: scopes and handles used as they must not be, each in a child of its own. At the hardened level the mistake ends the process
// with one line that names the tenant and the call. At the default level the program goes on, and no tenant is charged for what is
// not its own. misuse CASE: such a child, also handy by itself.

#include <array>
#include <memory>
#include <signal.h>
#include <string>
#include <thread>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {
namespace {

// Stays after the mistake has been made: it must be charged for nothing.
tenure_tenant* create(const std::string& name, tenure_tenant* parent = tenure_root()) {
  tenure_tenant* tenant = nullptr;
  const int error = tenure_tenant_create(parent, name.c_str(), 0, &tenant);
  REQUIRE(error == 0, "creating %s: %d", name.c_str(), error);
  return tenant;
}

// Enough objects of the current tenant, of sizes that are hot and others, for all paths of malloc.
void require_charged_to(const std::string& path) {
  std::vector<void*> blocks;
  blocks.reserve(20000);
  for (const size_t size : {size_t{64}, size_t{500}, size_t{20000}, size_t{100000}}) {
    for (size_t i = 0; i < 2000000 / size && i < 3000; ++i) {
      blocks.push_back(malloc(size));
      REQUIRE(blocks.back() != nullptr, "refused");
      tenure_tenant* const owner = tenure_owner(blocks.back());
      REQUIRE(path_of(owner) == path, "%s is charged, not %s", path_of(owner).c_str(),
              path.c_str());
      tenure_tenant_close(owner);
    }
  }
  for (void* block : blocks) free(block);
}

// Makes and frees so many objects that the tenant gets a front and slabs.
void heat() {
  std::array<void*, 2000> blocks;
  for (int round = 0; round < 20; ++round) {
    for (void*& block : blocks) block = malloc(64);
    for (void* block : blocks) free(block);
  }
}

void end(tenure_tenant* tenant) {
  REQUIRE(tenure_tenant_offline(tenant, 0) == 0, "offline");
  tenure_tenant_close(tenant);
}

// Tenants that get what the departed one had: its id, its front, its memory.
class Strangers {
public:
  Strangers() {
    while (tenure_reap() != 0) {
    }
    for (int i = 0; i < 50; ++i) {
      tenants_.push_back(create("stranger" + std::to_string(i)));
      const Inside inside(tenants_.back());
      heat();
    }
  }
  ~Strangers() {
    for (tenure_tenant* tenant : tenants_) {
      const size_t usage = settled_usage(tenant);
      REQUIRE(usage == 0, "%s is charged %zu", path_of(tenant).c_str(), usage);
    }
  }

private:
  std::vector<tenure_tenant*> tenants_;
};

void leave_out_of_order() {
  tenure_tenant *a = create("a"), *b = create("b");
  const tenure_scope outer = tenure_enter(a), inner = tenure_enter(b);
  tenure_leave(outer);
  require_charged_to("/");
  tenure_leave(inner);
}

void leave_twice() {
  tenure_tenant *a = create("a"), *b = create("b");
  static_cast<void>(tenure_enter(a));
  const tenure_scope inner = tenure_enter(b);
  tenure_leave(inner);
  tenure_leave(inner);
  require_charged_to("/a");
}

void leave_on_another_thread() {
  static_cast<void>(tenure_enter(create("a")));
  const tenure_scope inner = tenure_enter(create("b"));
  std::thread([inner] { tenure_leave(inner); }).join();
  require_charged_to("/b");
}

// As deep as the one that it takes for its own.
void leave_on_another_thread_inside() {
  tenure_tenant *a = create("a"), *b = create("b");
  const tenure_scope outer = tenure_enter(a);
  std::thread([b, outer] {
    static_cast<void>(tenure_enter(b));
    tenure_leave(outer);
    require_charged_to("/");
  }).join();
  require_charged_to("/a");
}

void leave_null_out_of_order() {
  const tenure_scope outer = tenure_enter(create("a"));
  static_cast<void>(tenure_enter(nullptr));
  tenure_leave(outer);
  require_charged_to("/");
}

void close_inside() {
  tenure_tenant* const a = create("a");
  static_cast<void>(tenure_enter(a));
  tenure_tenant_close(a);
  require_charged_to("/a");
}

void end_inside() {
  tenure_tenant* const a = create("a", create("parent"));
  static_cast<void>(tenure_enter(a));
  heat();
  end(a);
  const Strangers strangers;
  require_charged_to("/parent");
}

void end_outside_of_two_scopes() {
  tenure_tenant* const a = create("a", create("parent"));
  static_cast<void>(tenure_enter(a));
  heat();
  const tenure_scope inner = tenure_enter(tenure_root());
  end(a);
  const Strangers strangers;
  tenure_leave(inner);
  require_charged_to("/parent");
}

// Longer than departed tenants are kept: its memory is another's, who is below or has been below another tenant.
void end_inside_long_ago() {
  static_cast<void>(tenure_enter(create("a", create("parent"))));
  end(tenure_current());
  tenure_tenant* const other = create("other");
  for (int i = 0; i < 5000; ++i) {
    end(create("comer", other));
    if (i % 100 == 0) tenure_reap();
  }
  for (int i = 0; i < 3000; ++i) create("stranger" + std::to_string(i), other);
  require_charged_to("/");
}

void close_twice() {
  tenure_tenant* const a = create("a");
  for (int i = 0; i < 3; ++i) tenure_tenant_close(a);
  REQUIRE(tenure_tenant_online(a) == 1, "it went with its handles");
  const Inside inside(a);
  require_charged_to("/a");
}

void close_twice_after_the_end() {
  tenure_tenant* const a = create("a");
  end(a);
  const Strangers strangers;
  for (int i = 0; i < 3; ++i) tenure_tenant_close(a);
}

void release_twice() {
  tenure_captured captured;
  {
    const Inside inside(create("a"));
    tenure_tenant_close(tenure_tenant_find("/a"));
    captured = tenure_capture();
  }
  tenure_tenant* const a = tenure_tenant_find("/a");
  for (int i = 0; i < 4; ++i) tenure_release(captured);
  REQUIRE(tenure_tenant_online(a) == 1, "it went with its handles");
}

void use_after_close() {
  tenure_tenant* const a = create("a");
  tenure_tenant_close(a);
  free(tenure_malloc(a, 100));
}

void allocate_after_the_end() {
  tenure_tenant* const a = create("a", create("parent"));
  end(a);
  const Strangers strangers;
  void* const block = tenure_malloc(a, 100);
  REQUIRE(path_of(tenure_owner(block)) == "/parent", "another is charged");
}

void enter_after_the_end() {
  tenure_tenant* const a = create("a", create("parent"));
  {
    const Inside inside(a);
    heat();
  }
  end(a);
  const Strangers strangers;
  const Inside inside(a);
  require_charged_to("/parent");
}

struct {
  const char* name;
  void (*commit)();
  const char* line;  // At the hardened level.
} const cases[] = {
    {"leave_out_of_order", leave_out_of_order,
     "scope left out of order: tenant /b, tenure_leave()"},
    {"leave_twice", leave_twice, "scope left out of order: tenant /a, tenure_leave()"},
    {"leave_on_another_thread", leave_on_another_thread,
     "scope of another thread: tenant /a, tenure_leave()"},
    {"leave_on_another_thread_inside", leave_on_another_thread_inside,
     "scope of another thread: tenant /, tenure_leave()"},
    {"leave_null_out_of_order", leave_null_out_of_order,
     "scope left out of order: tenant /a, tenure_leave()"},
    {"close_inside", close_inside,
     "handle closed while a thread is inside: tenant /a, tenure_tenant_close()"},
    {"end_inside", end_inside,
     "handle closed while a thread is inside: tenant /parent/a, tenure_tenant_close()"},
    {"end_outside_of_two_scopes", end_outside_of_two_scopes,
     "handle closed while a thread is inside: tenant /parent/a, tenure_tenant_close()"},
    {"end_inside_long_ago", end_inside_long_ago,
     "handle closed while a thread is inside: tenant /parent/a, tenure_tenant_close()"},
    {"close_twice", close_twice, "handle closed twice: tenant /a, tenure_tenant_close()"},
    {"close_twice_after_the_end", close_twice_after_the_end,
     "handle closed twice: tenant /a, tenure_tenant_close()"},
    {"release_twice", release_twice, "handle closed twice: tenant /a, tenure_release()"},
    {"use_after_close", use_after_close,
     "handle used after it was closed: tenant /a, tenure_malloc()"},
    {"allocate_after_the_end", allocate_after_the_end,
     "handle used after it was closed: tenant /parent/a, tenure_malloc()"},
    {"enter_after_the_end", enter_after_the_end,
     "handle used after it was closed: tenant /parent/a, tenure_enter()"},
};

// Blocks of a tenant freed twice, in all the places where they may lie by then: the message names the tenant, though the root frees.

void free_twice(tenure_tenant* a, size_t size) {
  void* const block = tenure_malloc(a, size);
  free(block);
  free(block);
}

// So many that the tenant gets slabs of its own.
std::vector<void*> many(tenure_tenant* a, size_t size) {
  std::vector<void*> blocks(3000);
  for (void*& block : blocks) block = tenure_malloc(a, size);
  return blocks;
}

void free_twice_pooled() { free_twice(create("a"), 100); }
void free_twice_in_own_slab() {
  tenure_tenant* const a = create("a");
  const std::vector<void*> kept = many(a, 100);
  free_twice(a, 100);
}
void free_twice_when_the_slab_is_gone() {
  tenure_tenant* const a = create("a");
  const std::vector<void*> blocks = many(a, 5000);
  for (void* block : blocks) free(block);
  tenure_reclaim(a, SIZE_MAX);
  free(blocks[1500]);
}
void free_twice_large() { free_twice(create("a"), 100000); }
void free_twice_huge() { free_twice(create("a"), 100 << 20); }
void free_twice_inside_another() {
  tenure_tenant* const a = create("a");
  const Inside inside(create("b"));
  free_twice(a, 100);
}

struct {
  const char* name;
  void (*commit)();
} const named[] = {
    {"free_twice_pooled", free_twice_pooled},
    {"free_twice_in_own_slab", free_twice_in_own_slab},
    {"free_twice_when_the_slab_is_gone", free_twice_when_the_slab_is_gone},
    {"free_twice_large", free_twice_large},
    {"free_twice_huge", free_twice_huge},
    {"free_twice_inside_another", free_twice_inside_another},
};

// What the checks must not take for mistakes.
void use_well() {
  tenure_tenant* const a = create("a");
  tenure_captured captured;
  {
    const Inside inside(a);
    const Inside in_null(nullptr);
    const Inside in_root(tenure_root());
    const Inside again(a);
    captured = tenure_capture();
  }
  tenure_tenant_close(a);
  std::thread([captured] {
    const tenure_scope outer = tenure_restore(captured);
    REQUIRE(tenure_tenant_online(tenure_current()) == 1, "the captured scope keeps it");
    require_charged_to("/a");
    tenure_leave(outer);
    tenure_release(captured);
  }).join();
  // A visit's handle is good without any other.
  const auto look = [](tenure_tenant* tenant, void*) {
    tenure_tenant_close(tenure_tenant_ref(tenant));
    return tenure_tenant_online(tenant) == 1 ? 0 : 1;
  };
  REQUIRE(tenure_tenant_for_each(tenure_root(), look, nullptr) == 0, "the visit");
  tenure_tenant* const found = tenure_tenant_find("/a");
  end(found);
  require_no_tenants();
}

int commit(const std::string& name) {
  for (const auto& misuse : cases)
    if (name == misuse.name) {
      misuse.commit();
      return 0;
    }
  for (const auto& misuse : named)
    if (name == misuse.name) misuse.commit();
  REQUIRE(name == "use_well", "no case %s", name.c_str());
  use_well();
  return 0;
}

int run() {
  const char* const level = getenv("TENURE_CHECK");
  const bool hardened = level != nullptr && level == std::string("hardened");
  int failures = 0;
  const auto expect = [&failures](bool right, const char* name, const ChildResult& result) {
    if (right) return;
    ++failures;
    fprintf(stderr, "%s: %s\n\n", name, result.describe().c_str());
  };
  for (const auto& misuse : cases) {
    const ChildResult result = run_self({misuse.name});
    const bool found =
        result.signalled(SIGABRT) && result.err == std::string("tenure: ") + misuse.line + "\n";
    expect(hardened ? found : result.exited(0), misuse.name, result);
  }
  for (const auto& misuse : named) {
    const ChildResult result = run_self({misuse.name});
    expect(result.signalled(SIGABRT) && result.err.find("tenure: double free: ") == 0 &&
               result.err.find(", tenant /a") != std::string::npos,
           misuse.name, result);
  }
  const ChildResult well = run_self({"use_well"});
  expect(well.exited(0), "use_well", well);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  return count > 1 ? blackbox::commit(arguments[1]) : blackbox::run();
}
