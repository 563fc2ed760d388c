// Checks of layers and branches, for the tests of who writes some.
#pragma once

#include "retrace/check/check_layer.hpp"
