// page_html(): the page of a run as one HTML file that needs nothing else. page.html, page.css and
// the script (model.js, lanes.js, page.js) lie beside this file and are part of the program.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sim/page/model.h"

namespace vivarium::sim {

inline constexpr size_t kPageBytesMax = 1'900'000;

// A run that would make a larger file is shown around what matters in it, and says so; whatever
// proves a violation stays.
std::string page_html(PageModel model, size_t bytes_max = kPageBytesMax);

// The parts of the page as they were when the program was built.
std::string_view page_template();
std::string_view page_style();
std::string_view page_script();

}  // namespace vivarium::sim
