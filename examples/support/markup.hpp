// Text within HTML and SVG.
#pragma once

#include <string>
#include <string_view>

/// Escapes text for HTML and SVG: '<' becomes "&lt;".
std::string escaped(std::string_view text);
