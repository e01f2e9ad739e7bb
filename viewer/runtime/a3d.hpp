// Posing an exported Gaussian head in any C++17 program: everything of the runtime. docs/a3d.md describes the file and shows a program.
#pragma once

#include "a3d/array.hpp"
#include "a3d/avatar.hpp"
#include "a3d/bundle.hpp"
#include "a3d/depth_sort.hpp"
#include "a3d/jitter_buffer.hpp"
#include "a3d/motion.hpp"
#include "a3d/posing.hpp"
#include "a3d/rotation.hpp"
#include "a3d/stream_packet.hpp"
#include "a3d/stream_receiver.hpp"
