// QuotaModel: the quotas of the paths below the root, as semantics section 6 has them: what their
// statistics say after each txn, and whether a write may, or must, exceed their limits. Which of
// the last states the leader had applied when it prepared a write, nobody outside knows: all since
// its epoch began can be. Statistics that were not made behind their limits, or that a client has
// written, may differ between servers: of them nothing is said.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace vivarium::sim {

struct SubtreeSize {
  int64_t count = 0;
  int64_t bytes = 0;
};

class QuotaModel {
 public:
  // The path P of "/zookeeper/quota/P/zookeeper_limits"; empty when it is none.
  static std::string limited_by(const std::string& path);
  static std::string counted_by(const std::string& path);  // of zookeeper_stats
  static bool is_bad(const std::string& path, ByteView data);

  void epoch(Epoch epoch);
  void limits(const std::string& target, std::optional<std::string_view> text);
  // They are counted, and are from now on `size`; or they are gone.
  void statistics(const std::string& target, std::optional<SubtreeSize> size);
  void changed(const std::string& path, int64_t count, int64_t bytes);

  // False: servers may hold different ones.
  bool known(const std::string& target) const;
  // What the statistics of the path's quota say, where they are known.
  std::optional<std::string> text(const std::string& target) const;

  struct Verdicts {
    bool may_fit = false;
    bool may_exceed = false;
  };
  Verdicts verdicts(const std::string& path, int64_t count, int64_t bytes) const;

  static std::string target_of(const std::string& path);  // the quota that would count it

 private:
  struct State {
    bool has_limits = false;
    bool has_statistics = false;
    bool exact = false;
    int64_t count_hard = -1;
    int64_t bytes_hard = -1;
    SubtreeSize size;
  };
  State& change(const std::string& target);

  Epoch epoch_ = 0;
  std::map<std::string, std::vector<State>> states_;  // of this epoch, the present one last
};

}  // namespace vivarium::sim
