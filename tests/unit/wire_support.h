// Messages and back.
#pragma once

#include "core/base/bytes.h"

namespace vivarium {

template <class T>
Bytes encoded(const T& record) {
  Bytes out;
  encode(record, out);
  return out;
}

}  // namespace vivarium
