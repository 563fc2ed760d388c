// Contract checks for user-written layers and branches.
#pragma once

#include "retrace/check/check_layer.hpp"
