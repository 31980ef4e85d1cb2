#include "tests/tenants/stress/forest.h"

#include <algorithm>
#include <malloc.h>

namespace blackbox {

namespace {

constexpr size_t kLargest = 2 * kMiB;

// How far above max the tenant's policy lets a request go.
size_t allowance(tenure_tenant* tenant) {
  switch (tenure_tenant_policy(tenant)) {
  case TENURE_FAIL_LARGE:
    return tenure_tenant_limit(tenant, TENURE_RESERVE);
  case TENURE_FAIL_ALL:
  case TENURE_ABORT:
    return 0;
  default:
    return TENURE_UNLIMITED;
  }
}

size_t highest_legal(tenure_tenant* tenant) {
  const size_t max = tenure_tenant_limit(tenant, TENURE_MAX);
  const size_t extra = allowance(tenant);
  return max > TENURE_UNLIMITED - extra ? TENURE_UNLIMITED : max + extra;
}

}  // namespace

Forest::Forest(const std::string& name) : name_(name), top_(name) {
  top_.policy(TENURE_FAIL_ALL);
  top_.limit(TENURE_MAX, kTopMax);
  for (size_t i = 0; i < kTeams; ++i) {
    teams_.emplace_back(name_ + "-team" + std::to_string(i), top_);
    teams_.back().limit(TENURE_RESERVE, kReserve);
    if (i == 1) teams_.back().policy(TENURE_FAIL_ALL);
  }
  Random random(1);
  for (size_t i = 0; i < kLeaves; ++i) replace_leaf(random);
  small_ = std::make_unique<CacheTable>("small", 80);
  large_ = std::make_unique<CacheTable>("large", 3000);
}

Forest::~Forest() {
  for (auto& slot : parcels_) free_parcel(slot.exchange(nullptr));
  small_.reset();
  large_.reset();
  malloc_trim(0);
  const size_t left = top_.settled();
  REQUIRE(left == 0, "%zu bytes are charged with nothing allocated", left);
  dprintf(STDOUT_FILENO, "%s: %zu operations, %zu refused, %u tenants\n", name_.c_str(),
          operations_.load(), refused_.load(), made_.load());
  tenure_tenant_for_each(
      top_,
      [](tenure_tenant* tenant, void*) {
        const TenantStats stats = stats_of(tenant);
        REQUIRE(stats.usage == 0 && stats.allocated == 0, "%s: usage %zu, allocated %zu",
                tenure_tenant_name(tenant), stats.usage, stats.allocated);
        return 0;
      },
      nullptr);
  for (TenantSlot& slot : leaves_) slot.put({});
  for (Tenant& team : teams_) team.offline();
  teams_.clear();
  top_.offline();
  tenure_reap();
  // Another forest of this process, or of the one it was forked from, may have dead of its own.
  const auto is_ours = [](const tenure_dead* dead, void* argument) {
    const auto* name = static_cast<const std::string*>(argument);
    REQUIRE(strncmp(dead->name, name->c_str(), name->size()) != 0, "%s is left with %zu bytes",
            dead->name, dead->bytes);
    return 0;
  };
  tenure_dead_for_each(is_ours, const_cast<std::string*>(&name_));
}

// A leaf's limit and policy are set before anybody else may charge it, and never changed.
void Forest::replace_leaf(Random& random) {
  Tenant leaf(name_ + "-leaf" + std::to_string(made_.fetch_add(1)), any_team(random));
  leaf.limit(TENURE_RESERVE, kReserve / 2);
  const uint64_t kind = random.below(8);
  if (kind < 3) leaf.policy(TENURE_FAIL_ALL);
  if (kind == 7) leaf.policy(TENURE_OBSERVE);
  if (kind != 6) leaf.limit(TENURE_MAX, 100 * kKiB + random.below(4 * kMiB));
  Tenant old = leaves_[random.below(kLeaves)].put(std::move(leaf));
  if (old == nullptr) return;
  old.offline();
  // Not always at once: others are inside on the strength of their own handles anyway.
  if (random.one_in(4)) tenure_reap();
}

// The one thread that changes this team's limits also checks them: from one look to the next, usage only rises as far as the limit
// that stands. What is charged does; what is reported leaves out what was charged in advance for pooled objects, 8 KiB at most
// for each tenant and CPU (or thread, in fallback mode), and rises by as much where that is used.
void Forest::change_limits(Random& random, size_t team) {
  // Those that change things, and a few that look on.
  static const size_t in_advance = (kLeaves + 1) * (workers() + 8) * 8 * kKiB;
  Tenant& tenant = teams_[team];
  tenant.limit(TENURE_HIGH, random.one_in(2) ? TENURE_UNLIMITED : random.below(20 * kMiB));
  const size_t max = random.one_in(8) ? TENURE_UNLIMITED : kMiB + random.below(25 * kMiB);
  tenant.limit(TENURE_MAX, max);
  const size_t legal = highest_legal(tenant);
  size_t lowest = tenant.usage();
  for (int look = 0; look < 200; ++look) {
    const size_t now = tenant.usage();
    REQUIRE(now <= legal || now <= lowest + in_advance, "usage rose from %zu to %zu with max %zu",
            lowest, now, max);
    lowest = std::min(lowest, now);
  }
}

void Forest::watch() {
  const auto visit = [](tenure_tenant* tenant, void*) {
    if (strstr(tenure_tenant_name(tenant), "-team") != nullptr) return 0;
    // The limit first: a leaf is unlimited until it is about to be used.
    const size_t legal = highest_legal(tenant);
    const TenantStats stats = stats_of(tenant);
    REQUIRE(stats.usage <= legal, "%s: usage %zu above %zu", tenure_tenant_name(tenant),
            stats.usage, legal);
    REQUIRE(stats.peak <= legal, "%s: peak %zu above %zu", tenure_tenant_name(tenant), stats.peak,
            legal);
    return 0;
  };
  tenure_tenant_for_each(top_, visit, nullptr);
}

void Forest::put(Random& random, void* memory, size_t size) {
  if (memory == nullptr) {
    REQUIRE(errno == ENOMEM, "refused %zu bytes with errno %d", size, errno);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  Parcel* parcel = seal_parcel(memory, size, random.next());
  free_parcel(parcels_[random.below(kParcels)].exchange(parcel, std::memory_order_acq_rel));
}

// Takes somebody's object, gives it another size or owner, and puts it back.
void Forest::alter(Random& random, tenure_tenant* tenant) {
  Parcel* parcel = parcels_[random.below(kParcels)].exchange(nullptr, std::memory_order_acq_rel);
  if (parcel == nullptr) return;
  check_parcel(parcel);
  const size_t size = parcel->size;
  errno = 0;
  if (random.one_in(2)) {
    auto* moved = static_cast<Parcel*>(tenure_transfer(tenant, parcel));
    REQUIRE(moved != nullptr || errno == ENOMEM, "transfer of %zu, errno %d", size, errno);
    if (moved != nullptr) parcel = moved;
    check_parcel(parcel);
    put(random, parcel, size);
    return;
  }
  const size_t wanted = sizeof(Parcel) + random.size(kLargest);
  const uint64_t seed = parcel->seed;
  void* moved = realloc(parcel, wanted);
  REQUIRE(moved != nullptr || errno == ENOMEM, "realloc to %zu, errno %d", wanted, errno);
  if (moved == nullptr) {
    check_parcel(parcel);
    put(random, parcel, size);
    return;
  }
  const size_t wrong = find_mismatch(static_cast<Parcel*>(moved) + 1, size - sizeof(Parcel), seed,
                                     std::min(size, wanted) - sizeof(Parcel));
  REQUIRE(wrong == kNoMismatch, "realloc from %zu to %zu lost offset %zu", size, wanted, wrong);
  put(random, moved, wanted);
}

void Forest::work(Random& random) {
  const Borrowed leaf(leaves_[random.below(kLeaves)]);
  tenure_tenant* tenant = random.one_in(16) ? any_team(random) : leaf;
  const Inside inside(tenant);
  const size_t count = random.below(64);
  operations_.fetch_add(count, std::memory_order_relaxed);
  for (size_t i = 0; i < count; ++i) {
    const size_t limit = random.one_in(8) ? kLargest : random.one_in(4) ? 60000 : 1000;
    errno = 0;
    switch (random.below(12)) {
    case 0:
      small_->replace(random, tenant);
      break;
    case 1:
      large_->replace(random, tenant);
      break;
    case 2:
      (random.one_in(2) ? small_ : large_)->exchange_many(random);
      break;
    case 3:
      alter(random, tenant);
      break;
    case 4: {
      const size_t size = sizeof(Parcel) + random.size(limit);
      const Borrowed other(leaves_[random.below(kLeaves)]);
      put(random, tenure_malloc(other, size), size);
      break;
    }
    case 5:
    case 6:
    case 7:
      free_parcel(parcels_[random.below(kParcels)].exchange(nullptr, std::memory_order_acq_rel));
      break;
    default:
      if (Parcel* parcel = make_parcel(random, limit + sizeof(Parcel)); parcel != nullptr)
        free_parcel(parcels_[random.below(kParcels)].exchange(parcel, std::memory_order_acq_rel));
      else
        refused_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace blackbox
