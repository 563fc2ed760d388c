// Flows on the host: networks, layers, likelihoods, samples.
#pragma once

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/cpu/prior.hpp"
#include "retrace/net/flow_sampling.hpp"
#include "retrace/net/flows.hpp"
#include "retrace/train/loss/negative_log_likelihood.hpp"
#include "retrace/train/step.hpp"
