#pragma once

#include "CoreMinimal.h"

// The C++ runtime of avatar3d: see docs/a3d.md and docs/stream.md there.
THIRD_PARTY_INCLUDES_START
#include "a3d.hpp"
THIRD_PARTY_INCLUDES_END
