// Images of rules, made by hand.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "rules/matching/facts.h"
#include "rules/matching/table.h"

namespace tenure::rules {

class Image {
public:
  uint32_t text(const std::string& text) {
    const auto offset = static_cast<uint32_t>(strings_.size());
    strings_ += text + '\0';
    return offset;
  }
  RuleRecord& rule(RuleKind kind, const std::string& tenant) {
    RuleRecord record{};
    record.kind = kind;
    record.tenant = text(tenant);
    record.cap = kDefaultCap;
    record.limits.policy = kNoPolicy;
    rules_.push_back(record);
    return rules_.back();
  }
  // The words of the image; Image keeps them.
  const std::vector<uint64_t>& words() {
    Header header{};
    memcpy(header.magic, kMagic, sizeof kMagic);
    header.rules = static_cast<uint32_t>(rules_.size());
    header.strings = static_cast<uint32_t>(strings_.size());
    const size_t bytes = sizeof header + rules_.size() * sizeof(RuleRecord) + strings_.size();
    header.bytes = static_cast<uint32_t>(bytes);
    words_.assign((bytes + 7) / 8, 0);
    char* const to = reinterpret_cast<char*>(words_.data());
    memcpy(to, &header, sizeof header);
    memcpy(to + sizeof header, rules_.data(), rules_.size() * sizeof(RuleRecord));
    memcpy(to + sizeof header + rules_.size() * sizeof(RuleRecord), strings_.data(),
           strings_.size());
    return words_;
  }
  View view() {
    View result;
    words();
    view_of(words_.data(), words_.size() * 8, result);
    return result;
  }

private:
  std::vector<RuleRecord> rules_;
  std::string strings_ = std::string(1, '\0');
  std::vector<uint64_t> words_;
};

}  // namespace tenure::rules
